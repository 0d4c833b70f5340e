package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/confine"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

var (
	net    = privsep.NewContext("net", privsep.CAP_NET_ADMIN)
	pid    = privsep.NewEntrypoint[privsep.Void, int](net, "pid")
	crash  = privsep.NewEntrypoint[privsep.Void, privsep.Void](net, "crash")
	echo   = privsep.NewEntrypoint[privsep.File, privsep.File](net, "echo")
	note   = privsep.NewEntrypoint[noteArgs, privsep.Void](net, "note")
	usage  = privsep.NewEntrypoint[bool, usageReply](net, "usage")
	wait   = privsep.NewEntrypoint[noteArgs, privsep.Void](net, "wait")
	absent = privsep.NewContext("absent")
	_      = privsep.NewEntrypoint[privsep.Void, int](absent, "missing")

	differs = privsep.NewContext("net") // as a program of another release has it
	_       = privsep.NewEntrypoint[string, int](differs, "pid")
)

// TestMain makes the test binary a helper too. A launcher gives its helper no environment, so helpers are told from the
// tests by their first argument, and what they start too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		endAtOnce()
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "helper":
			serve(daemon.Options{Context: net})
		case "helper-of-a-user":
			serve(daemon.Options{Context: net, User: &confine.User{UID: 4321, GID: 4322}})
		case "helper-for-commands":
			serve(daemon.Options{Commands: rootwrap.New(rootwrap.Options{Load: load})})
		case "helper-for-commands-no-cgroup":
			serve(daemon.Options{Commands: rootwrap.New(rootwrap.Options{Load: load, NoCgroup: true})})
		case "helper-for-all":
			serve(daemon.Options{Context: net, Commands: rootwrap.New(rootwrap.Options{Load: load})})
		case "helper-for-all-no-cgroup":
			serve(daemon.Options{Context: net, Commands: rootwrap.New(rootwrap.Options{Load: load, NoCgroup: true})})
		case "helper-in-namespace":
			serveHanded(os.Args[2:])
		case "silent":
			fmt.Fprint(os.Stderr, "Password: ") // and no newline
			time.Sleep(time.Hour)               // not select {}: the runtime would see that nobody is left
		case "refuse":
			fmt.Fprintln(os.Stderr, "sorry, not today")
			os.Exit(1)
		case "victim":
			fmt.Fprintln(os.Stderr, "victim:", victim(os.Args[2:]))
			os.Exit(1)
		}
	}
	testenv.Main(m, testenv.Children{"service-as-nobody": serviceAsNobody, "trusting": trusting, "print-handed": printHanded, "executioner": executioner, "caller": caller})
}

// endAtOnce makes a helper under the race detector end when it ends: without GORACE, which no launcher passes on, the
// detector sleeps for a second first.
func endAtOnce() {
	if !raceDetector || os.Getenv("GORACE") != "" {
		return
	}
	err := syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), "GORACE=atexit_sleep_ms=0"))
	fmt.Fprintln(os.Stderr, "exec:", err)
	os.Exit(1)
}

func serve(opt daemon.Options) {
	d := daemon.New(opt)
	if opt.Context != nil {
		handle(d)
	}
	d.Main()
}

func handle(d *daemon.Daemon) {
	daemon.Handle(d, pid, func(context.Context, privsep.Void) (int, error) { return os.Getpid(), nil })
	daemon.Handle(d, crash, func(context.Context, privsep.Void) (privsep.Void, error) {
		os.Exit(3)
		return privsep.Void{}, nil
	})
	daemon.Handle(d, echo, func(context.Context, privsep.File) (privsep.File, error) {
		f, err := os.Open(os.DevNull)
		return privsep.File{File: f}, err
	})
	daemon.Handle(d, wait, func(ctx context.Context, n noteArgs) (privsep.Void, error) {
		daemon.Log(ctx).Debug("waiting")
		fmt.Fprintln(n.File.File, n.Line)
		<-ctx.Done()
		return privsep.Void{}, ctx.Err()
	})
	daemon.Handle(d, note, func(_ context.Context, n noteArgs) (privsep.Void, error) {
		_, err := fmt.Fprintln(n.File.File, n.Line)
		return privsep.Void{}, err
	})
	daemon.Handle(d, usage, func(_ context.Context, collect bool) (usageReply, error) { return measure(collect) })
}

// noteArgs ask for a line at the end of a file.
type noteArgs struct {
	File privsep.File
	Line string
}

// usageReply is what a process holds.
type usageReply struct{ Files, KiB int }

const policy = `[Filters]
sh: RegExpFilter, sh, root, sh, -c, [\s\S]*
missing: CommandFilter, /usr/bin/no-such-program, root
`

func load() (*host.Loaded, error) {
	cfg, _, err := filters.ParseConfig("built-in.conf", []byte("[DEFAULT]\nfilters_path=/nonexistent\ncapabilities=CAP_NET_ADMIN\n"), true)
	if err != nil {
		return nil, err
	}
	p, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "built-in.filters", Text: []byte(policy)}})
	if err != nil {
		return nil, err
	}
	return host.New(cfg, p, host.Options{UntrustedFiles: true})
}

// launcher starts this binary as root, or as root of a user namespace.
func launcher(t testing.TB, args ...string) client.Launcher {
	t.Helper()
	path := testenv.Child(t, "").Path
	if os.Geteuid() == 0 {
		return &client.Direct{Path: path, Args: args}
	}
	return &client.UserNamespace{Path: path, Args: args}
}

func start(t testing.TB, cfg client.Config, args ...string) *client.Client {
	t.Helper()
	if cfg.Launcher == nil {
		cfg.Launcher = launcher(t, args...)
	}
	c, err := client.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func outcome(err error) string {
	var e *privsep.CallError
	if !errors.As(err, &e) {
		return fmt.Sprintf("no CallError: %v", err)
	}
	return e.Outcome.String()
}
