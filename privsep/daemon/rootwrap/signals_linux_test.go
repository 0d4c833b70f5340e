package rootwrap_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/client"
)

// escape leaves a process that forked twice and called setsid, writes its pid and goes on.
const escape = `r=$(setsid sh -c 'echo $$; exec sleep 1000 >/dev/null' &); echo $r; exec sleep 1000`

// A helper that is asked to end takes with it what it started, as when its client goes.
func TestSignalEndsCommandsToo(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			c := start(t, program(t), "capabilities=\n# no cgroup\n", "sh: RegExpFilter, sh, root, sh, -c, [\\s\\S]*\n")
			cmd := c.Command("sh", "-c", escape)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 32)
			n, err := out.Read(b)
			pid, aerr := strconv.Atoi(strings.TrimSpace(string(b[:n])))
			if err != nil || aerr != nil {
				t.Fatalf("%q: %v, %v", b[:n], err, aerr)
			}
			escaped, helper := watch(t, pid), watch(t, c.Helper().PID)
			deadline := time.Now().Add(withinASecond)
			if err := syscall.Kill(c.Helper().PID, sig); err != nil {
				t.Fatal(err)
			}
			if !escaped.ends(deadline) || !helper.ends(deadline.Add(atExit)) {
				t.Error("after a second something lives")
			}
			if err := cmd.Wait(); err == nil {
				t.Error("the command ended well")
			}
		})
	}
}

// Standard error is the client's. One that closes it loses its audit log, and does not end the helper by SIGPIPE, which
// would leave behind what had escaped from its commands.
func TestBrokenStandardError(t *testing.T) {
	testenv.NeedRoot(t)
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	helper := exec.Command(program(t), "helper-of", "capabilities=\n", "true: CommandFilter, true, root\n")
	helper.Stdin, helper.Stderr = theirs, w
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	w.Close()
	r.Close()
	c, err := client.Start(t.Context(), client.Config{Launcher: &client.Socket{File: ours}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := c.Command("true").Run(); err != nil {
			t.Errorf("without standard error: %v", err)
		}
	}
	c.Close()
	if err := helper.Wait(); err != nil {
		t.Errorf("the helper: %v", err)
	}
}
