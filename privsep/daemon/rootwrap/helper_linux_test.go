package rootwrap_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// another is what the test binary is beside what TestMain knows: a helper with the configuration and the policy of its
// arguments, and a command that gives its uid up itself.
func another(args []string) bool {
	switch {
	case len(args) == 4 && args[1] == "helper-of":
		load := func() (*host.Loaded, error) { return parse(args[2], args[3]) }
		opt := rootwrap.Options{Load: load, Audit: os.Stderr, NoCgroup: strings.Contains(args[2], "# no cgroup")}
		daemon.New(daemon.Options{Commands: rootwrap.New(opt)}).Main()
	case len(args) == 2 && args[1] == "setuid":
		if err := syscall.Setuid(testenv.Nobody); err != nil {
			fmt.Println(err)
		}
		text, _ := os.ReadFile("/proc/self/status")
		fmt.Printf("%s", text)
	default:
		return false
	}
	return true
}

// parse makes a policy of texts. Who owns executables is not what these tests are about.
func parse(config, policy string) (*host.Loaded, error) {
	cfg, _, err := filters.ParseConfig("built-in.conf", []byte("[DEFAULT]\nfilters_path=/nonexistent\n"+config), true)
	if err != nil {
		return nil, err
	}
	p, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "built-in.filters", Text: []byte("[Filters]\n" + policy)}})
	if err != nil {
		return nil, err
	}
	return host.New(cfg, p, host.Options{UntrustedFiles: true})
}

// program is this test binary, where every user can reach it.
func program(t testing.TB) string { return testenv.Child(t, "").Path }

// start starts a helper as root.
func start(t testing.TB, program, config, policy string) *client.Client {
	t.Helper()
	testenv.NeedRoot(t)
	c, err := client.Start(context.Background(), client.Config{Launcher: &client.Direct{Path: program, Args: []string{"helper-of", config, policy}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// output runs a command that must succeed.
func output(t *testing.T, c *client.Client, argv ...string) string {
	t.Helper()
	out, err := c.Command(argv[0], argv[1:]...).Output()
	if err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	return string(out)
}

// status reads the lines of a /proc status as they stand there, without the code under test.
func status(text string) map[string]string {
	lines := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		lines[key] = strings.Join(strings.Fields(value), " ")
	}
	return lines
}

// threads reads every thread's status of a process.
func threads(t *testing.T, pid int) []map[string]string {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(paths) < 2 {
		t.Fatalf("%d threads, %v", len(paths), err)
	}
	var all []map[string]string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, status(string(text)))
	}
	return all
}
