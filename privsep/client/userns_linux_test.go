package client_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// serveHanded is a helper that trusts what its launcher handed in: with the policy of a file, or one that allows the
// programs that it is given.
func serveHanded(args []string) {
	serve(daemon.Options{Commands: rootwrap.New(rootwrap.Options{Load: func() (*host.Loaded, error) {
		opt := host.Options{Handed: daemon.Handed()}
		if len(args) == 1 && strings.HasSuffix(args[0], ".conf") {
			return host.Load(args[0], opt)
		}
		cfg := filters.Config{ExecDirs: strings.Split(filters.DefaultPath, ":"), HasCapabilities: true}
		text := "[Filters]\n"
		for i, program := range args {
			text += fmt.Sprintf("rule%d: CommandFilter, %s, root\n", i, program)
		}
		p, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "built-in.filters", Text: []byte(text)}})
		if err != nil {
			return nil, err
		}
		return host.New(cfg, p, opt)
	}})})
}

// trusting is a service without root: it starts a helper with the arguments before "--", which trusts the paths before the
// next one, runs each command that follows, and says what came of it.
func trusting(args []string) error {
	i := slices.Index(args, "--")
	j := i + 1 + slices.Index(args[i+1:], "--")
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := client.Start(ctx, client.Config{Launcher: &client.UserNamespace{Path: self,
		Args: append([]string{"helper-in-namespace"}, args[:i]...), Trusted: args[i+1 : j]}})
	if err != nil {
		fmt.Println("start:", err)
		return nil
	}
	defer c.Close()
	for _, name := range args[j+1:] {
		err := c.CommandContext(ctx, name).Run()
		switch {
		case err == nil:
			fmt.Println("ran")
		case errors.Is(err, privsep.CodeNotExecutable):
			fmt.Println("not executable")
		case errors.Is(err, fs.ErrPermission):
			fmt.Println("refused")
		default:
			fmt.Println(err)
		}
	}
	return nil
}

// trustingChild runs a service as an ordinary user, for whom root's files are somebody's inside its namespace.
func trustingChild(t *testing.T, helper, trusted, commands []string) string {
	t.Helper()
	testenv.InUserNamespace(t, exec.Command("/bin/true")) // or the test ends here
	cmd := testenv.Child(t, "trusting", slices.Concat(helper, []string{"--"}, trusted, []string{"--"}, commands)...)
	testenv.AsUser(t, cmd)
	return strings.TrimSpace(string(testenv.Output(t, cmd)))
}

// TestTrustedPrograms: in a user namespace a helper executes what was handed in, by whatever path it is reached, and
// nothing else: neither root's other programs nor the service's own.
func TestTrustedPrograms(t *testing.T) {
	dir, err := os.MkdirTemp("", "trusted") // whose names every user may reach
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	own, link := filepath.Join(dir, "own"), filepath.Join(dir, "link")
	text, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(own, text, 0o755), os.Symlink("/usr/bin/true", link)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(own, testenv.Nobody, testenv.Nobody); err != nil {
			t.Fatal(err)
		}
	}
	policy := []string{"/usr/bin/true", "/usr/bin/id", own, link}
	for _, test := range []struct {
		trusted, commands []string
		want              string
	}{
		{[]string{"/usr/bin/true"}, []string{"true", "/usr/bin/true", "link", "id", "own", "env"},
			"ran\nran\nran\nnot executable\nnot executable\nrefused"},
		{[]string{"/bin/id", own}, []string{"true", "id", "own"}, "not executable\nran\nran"},
		{[]string{"/usr/bin"}, []string{"true"}, "not executable"}, // a folder says nothing of what is in it
		{nil, []string{"true"}, "not executable"},
	} {
		if got := trustingChild(t, policy, test.trusted, test.commands); got != test.want {
			t.Errorf("trusted %q, %q:\n%s\nwant\n%s", test.trusted, test.commands, got, test.want)
		}
	}
}

// TestTrustedFails: what others can write is not handed in, and the launcher says so before anything is started.
func TestTrustedFails(t *testing.T) {
	loose := filepath.Join(t.TempDir(), "loose")
	if err := errors.Join(os.WriteFile(loose, nil, 0o644), unix.Chmod(loose, 0o666)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		loose: "loose is writable by everybody", "/nonexistent/x": "no such file", "usr/bin/true": "not an absolute path", "/tmp": "/tmp is writable by everybody",
	} {
		c, err := client.Start(t.Context(), client.Config{Launcher: &client.UserNamespace{Path: "/nonexistent/helper", Trusted: []string{path}}})
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "UserNamespace.Trusted: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestTrustedPolicy: a helper in a user namespace obeys no configuration and no policy that was not handed in.
func TestTrustedPolicy(t *testing.T) {
	testenv.NeedRoot(t) // to have files that are root's, and not the service's
	dir, err := os.MkdirTemp("/var/lib", "privhelper-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conf, folder := filepath.Join(dir, "net.conf"), filepath.Join(dir, "f.d")
	a, b := filepath.Join(folder, "a.filters"), filepath.Join(folder, "b.filters")
	err = errors.Join(os.Chmod(dir, 0o755), os.Mkdir(folder, 0o755),
		os.WriteFile(conf, []byte("[DEFAULT]\nfilters_path="+folder+"\ncapabilities=\n"), 0o644),
		os.WriteFile(a, []byte("[Filters]\na: CommandFilter, true, root\n"), 0o644),
		os.WriteFile(b, []byte("[Filters]\nb: CommandFilter, id, root\n"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		trusted []string
		want    string
	}{
		{[]string{"/usr/bin/true", conf, folder, a, b}, "ran"},
		{[]string{"/usr/bin/true", folder, a, b}, conf + " was not handed in"},
		{[]string{"/usr/bin/true", conf, a, b}, folder + " was not handed in"},
		{[]string{"/usr/bin/true", conf, folder, a}, b + " was not handed in"},
	} {
		if got := trustingChild(t, []string{conf}, test.trusted, []string{"true"}); !strings.Contains(got, test.want) {
			t.Errorf("trusted %q: %s, want %s", test.trusted, got, test.want)
		}
	}
}

// printHanded says how many files were handed in to a process that runs as an ordinary user. Its standard input is
// a socketpair that its own user made if args say so.
func printHanded(args []string) error {
	if args[0] == "own" {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		if err := unix.Dup3(fds[0], 0, 0); err != nil {
			return err
		}
	}
	fmt.Print(len(daemon.Handed()))
	return nil
}

// TestHandedByAnother: who asks through sudo in a container may leave descriptors open, and vouches for nothing by them.
func TestHandedByAnother(t *testing.T) {
	testenv.NeedRoot(t)
	pinned, err := os.OpenFile("/etc/passwd", unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pinned.Close()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer ours.Close()
	defer theirs.Close()
	for socket, want := range map[string]string{"own": "1", "another's": "0"} {
		cmd := testenv.Child(t, "print-handed", socket)
		testenv.AsUser(t, cmd)
		cmd.Stdin, cmd.ExtraFiles = theirs, []*os.File{pinned}
		if got := string(testenv.Output(t, cmd)); got != want {
			t.Errorf("%s socket: %s files, want %s", socket, got, want)
		}
	}
}
