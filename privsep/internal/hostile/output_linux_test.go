package hostile

import (
	"io"
	"os"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
	"github.com/privhelper/privhelper/privsep/internal/strict"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

const policy = `[Filters]
head: CommandFilter, head, root
yes: CommandFilter, yes, root
`

// commands is a root helper that runs them.
func commands([]string) error {
	d := daemon.New(daemon.Options{Commands: rootwrap.New(rootwrap.Options{Load: func() (*host.Loaded, error) {
		cfg, _, err := filters.ParseConfig("built-in.conf", []byte("[DEFAULT]\nfilters_path=/nonexistent\ncapabilities=CAP_NET_ADMIN\n"), true)
		if err != nil {
			return nil, err
		}
		p, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "built-in.filters", Text: []byte(policy)}})
		if err != nil {
			return nil, err
		}
		return host.New(cfg, p, host.Options{UntrustedFiles: true})
	}})})
	d.Main()
	return nil
}

// command asks for a command whose standard output is a pipe, and returns the end to read from.
func (v *victim) command(argv ...string) (id uint64, out *os.File) {
	v.t.Helper()
	plan, err := strict.NewPlan(reflect.TypeFor[command.Request](), reflect.TypeFor[privsep.File]())
	if err != nil {
		v.t.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		v.t.Fatal(err)
	}
	defer w.Close()
	v.t.Cleanup(func() { out.Close() })
	args, _, err := plan.Append(nil, command.Request{Argv: argv, Stdout: privsep.File{File: w}}, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.call(command.Run.Name(), 0, args, int(w.Fd())), out
}

// TestOutput: what a command writes never passes its helper, whether the client reads it (oslo.rootwrap: 13.6 GB of
// memory for 1 GiB) or does not.
func TestOutput(t *testing.T) {
	const most = 1 << 10 // kilobytes that the helper may grow by
	v := attackHelper(t, "commands")
	run := func(argv ...string) (n int64) {
		id, out := v.command(argv...)
		n, err := io.Copy(io.Discard, out)
		if m, _ := v.until(id); m.kind != wire.TypeReturn || err != nil {
			t.Fatalf("%v: %+v, %v", argv, m, err)
		}
		return n
	}
	for range 20 { // what is made once, and what a first collection of garbage would find
		run("head", "-c", "1", "/dev/zero")
	}
	idle := v.resident("VmHWM")
	if n := run("head", "-c", "1G", "/dev/zero"); n != 1<<30 {
		t.Errorf("%d bytes of 1 GiB came", n)
	}
	if kb := v.resident("VmHWM") - idle; kb > most && !raceEnabled {
		t.Errorf("for 1 GiB that was read the helper grew by %d kB", kb)
	}

	id, out := v.command("yes")
	first := make([]byte, 1)
	if _, err := io.ReadFull(out, first); err != nil { // it writes; nobody reads any more
		t.Fatal(err)
	}
	full(t, out)
	if kb := v.resident("VmHWM") - idle; kb > most && !raceEnabled {
		t.Errorf("for output without end that nobody reads the helper grew by %d kB", kb)
	}
	v.send(simple(wire.TypeSignal, id, uint64(unix.SIGTERM)))
	if m, _ := v.until(id); m.kind != wire.TypeReturn {
		t.Errorf("%+v", m)
	}
}

// full waits until a pipe takes no more.
func full(t *testing.T, out *os.File) {
	t.Helper()
	raw, err := out.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for end, had := time.Now().Add(patience), -1; ; time.Sleep(20 * time.Millisecond) {
		var n int
		_ = raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
		if err != nil || time.Now().After(end) {
			t.Fatalf("a pipe with %d bytes: %v", n, err)
		}
		if n == had {
			return
		}
		had = n
	}
}
