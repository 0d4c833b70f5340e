package rootwrap_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// TestMain makes the test binary a helper too, told from the tests by its first argument: a launcher gives its helper no
// environment.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "helper" {
		noCgroup, config := os.Args[2] == "walk", os.Args[3]
		load := func() (*host.Loaded, error) { return load(config) }
		daemon.New(daemon.Options{Commands: rootwrap.New(rootwrap.Options{Load: load, NoCgroup: noCgroup})}).Main()
	}
	if another(os.Args) {
		return
	}
	testenv.Main(m, testenv.Children{"service": service})
}

// policy has a rule for each lifetime; the first line of a script says which it is for.
const policy = `[Filters]
default: RegExpFilter, sh, root, sh, -c, #default[\s\S]*
client: RegExpFilter, sh, root, sh, -c, #client[\s\S]*
detached: RegExpFilter, sh, root, sh, -c, #detached[\s\S]*
[client]
lifetime = client
[detached]
lifetime = detached
`

func load(config string) (*host.Loaded, error) {
	cfg, _, err := filters.ParseConfig("built-in.conf", []byte("[DEFAULT]\nfilters_path=/nonexistent\n"+config), true)
	if err != nil {
		return nil, err
	}
	p, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "built-in.filters", Text: []byte(policy)}})
	if err != nil {
		return nil, err
	}
	return host.New(cfg, p, host.Options{UntrustedFiles: true})
}

// service is the unprivileged side: it says what its helper is, then runs every line of its standard input as a script,
// whose output is its own, and writes how it ended. At the end of its input it closes its client.
func service(args []string) error {
	var l client.Launcher = &client.Direct{Path: args[0], Args: args[1:]}
	if os.Geteuid() != 0 {
		l = &client.UserNamespace{Path: args[0], Args: args[1:]}
	}
	c, err := client.Start(context.Background(), client.Config{Launcher: l})
	if err != nil {
		return err
	}
	fmt.Printf("%d %d %s\n", c.Helper().PID, c.Helper().UID, c.Helper().Trees)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		cmd := c.Command("sh", "-c", strings.ReplaceAll(in.Text(), `\n`, "\n"))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		err := cmd.Run()
		fmt.Println("ended:", err)
	}
	return c.Close()
}

// running is a service as a test sees it.
type running struct {
	t         *testing.T
	pid       int
	stdin     *os.File
	lines     *bufio.Reader
	helper    life
	helperUID int
	trees     string
	wait      func() error
	kill      func()
}

// serve starts a service whose helper finds processes by method ("cgroup" or "walk") and has that configuration.
func serve(t *testing.T, method, config string) *running {
	t.Helper()
	cmd := testenv.Child(t, "service")
	cmd.Args = append(cmd.Args, cmd.Path, "helper", method, config)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdin = r
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &running{t: t, pid: cmd.Process.Pid, stdin: w, lines: bufio.NewReader(out), wait: cmd.Wait, kill: func() { cmd.Process.Kill() }}
	t.Cleanup(func() { w.Close(); s.kill(); s.wait() })
	var pid int
	line := s.line()
	if _, err := fmt.Sscan(line, &pid, &s.helperUID); err != nil {
		t.Fatal(err)
	}
	s.trees = strings.SplitN(line, " ", 3)[2]
	s.helper = watch(t, pid)
	return s
}

func (s *running) line() string {
	s.t.Helper()
	line, err := s.lines.ReadString('\n')
	if err != nil {
		s.t.Fatal("the service ended: ", err)
	}
	return strings.TrimSuffix(line, "\n")
}

// run runs a script under the rule of that name and returns the processes whose pids it wrote.
func (s *running) run(rule, script, ends string) (pids []life) {
	s.t.Helper()
	fmt.Fprintf(s.stdin, "#%s\\n%s\n", rule, script)
	for {
		line := s.line()
		if pid, err := strconv.Atoi(line); err == nil {
			pids = append(pids, watch(s.t, pid))
		} else if line != "ended: "+ends {
			s.t.Fatalf("%s: %q, wanted: %s", script, line, ends)
		} else {
			return pids
		}
	}
}

// life is a process that a test watches, known for good by its pidfd.
type life struct{ pid, fd int }

func watch(t *testing.T, pid int) life {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("process %d: %v", pid, err)
	}
	t.Cleanup(func() {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // ends what outlived its service
		unix.Close(fd)
	})
	return life{pid, fd}
}

// ends reports whether the process ends before that time.
func (l life) ends(before time.Time) bool {
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, max(0, int(time.Until(before).Milliseconds())))
		if err != unix.EINTR {
			return n == 1
		}
	}
}

func (l life) alive() bool { return !l.ends(time.Time{}) }

// withinASecond is the promise: what a service started goes within a second.
const withinASecond = time.Second
