package processutils_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/processutils"
)

func TestMain(m *testing.M) {
	testenv.Main(m, testenv.Children{"inherit": inherit, "flat": flat, "prefix": prefix, "side-by-side": sideBySideChild, "sudo": bySudo, "terminal": onTerminal, "limits-by-tool": limitsByTool, "daemons": daemons, "filtered": filtered})
}

var local processutils.Local

// run runs a command that must succeed and returns its standard output.
func run(t testing.TB, c processutils.Cmd) string {
	t.Helper()
	res, err := local.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return res.Stdout.String()
}

// failure runs a command that must fail.
func failure(t testing.TB, r processutils.Runner, ctx context.Context, c processutils.Cmd) *processutils.ExecError {
	t.Helper()
	_, err := r.Run(ctx, c)
	var failed *processutils.ExecError
	if !errors.As(err, &failed) {
		t.Fatalf("%v: got %v, want an *ExecError", c, err)
	}
	return failed
}

// sleepers counts living processes whose command line is `sleep N`; every test has numbers of its own.
func sleepers(t testing.TB, n string) (pids []string) {
	t.Helper()
	all, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		text, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if string(text) == "sleep\x00"+n+"\x00" {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

// eventually waits for what shows nowhere but in /proc.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func descriptors() int {
	all, _ := os.ReadDir("/proc/self/fd")
	return len(all)
}

// flat runs a command that writes a gibibyte and says by how much that made this process grow.
func flat([]string) error {
	if _, err := local.Run(context.Background(), processutils.Command("true")); err != nil { // what any run takes is no growth
		return err
	}
	before := peak()
	c := processutils.Shell("head -c 1073741824 /dev/zero")
	c.Bound = 1 << 20
	res, err := local.Run(context.Background(), c)
	if err != nil {
		return err
	}
	if res.Stdout.Len() != 1<<30 || len(res.Stdout.Head)+len(res.Stdout.Tail) != 1<<20 {
		return fmt.Errorf("%d bytes were counted, %d kept", res.Stdout.Len(), len(res.Stdout.Head)+len(res.Stdout.Tail))
	}
	runtime.KeepAlive(res)
	fmt.Println(peak() - before)
	return nil
}

// peak is this process's largest resident size so far, in KiB.
func peak() (kib int) {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	fmt.Sscan(rest, &kib)
	return kib
}
