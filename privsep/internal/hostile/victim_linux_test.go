package hostile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/internal/strict"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

const (
	// patience bounds how long a test that hangs hangs.
	patience = 60 * time.Second
	// growth is the promise: kilobytes that nonsense makes a helper grow by.
	growth = 16 << 10
)

// A victim is a root helper, and the socket of a client that means it no good.
type victim struct {
	t      testing.TB
	cmd    *exec.Cmd
	fd     int      // blocking
	stderr *os.File // to be read
	filled int      // bytes that stand in it since the start
	idle   int      // resident, in kilobytes
	before looks
	nextID uint64
}

// startHelper starts one of this binary's helpers on one end of a socketpair and returns the other. It is root's, or
// root's of a user namespace.
func startHelper(t testing.TB, name string, stderr *os.File) (*exec.Cmd, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return startHelperOn(t, name, fds[0], stderr), fds[1]
}

// startHelperOn starts a helper on a socket, which it closes here.
func startHelperOn(t testing.TB, name string, socket int, stderr *os.File) *exec.Cmd {
	t.Helper()
	theirs := os.NewFile(uintptr(socket), "helper")
	defer theirs.Close()
	cmd := testenv.Child(t, name)
	cmd.Stdin, cmd.Stderr = theirs, stderr
	if os.Geteuid() != 0 {
		testenv.InUserNamespace(t, cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// attack starts the helper of entrypoints and remembers how it looks when it is idle.
func attack(t testing.TB) *victim {
	t.Helper()
	v := attackHelper(t, "helper")
	for range 20 { // what is made once has been made
		v.call("target.add", 0, add2)
		v.answer(wire.TypeReturn)
	}
	v.before = v.look()
	v.idle = v.resident("VmRSS")
	return v
}

// attackHelper starts a helper and takes its HELLO. What the helper writes at its end finds its standard error full, so
// that it can be looked at before it is gone.
func attackHelper(t testing.TB, name string) *victim {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{t: t, stderr: r, nextID: 1 << 32}
	v.fill(w)
	v.cmd, v.fd = startHelper(t, name, w)
	w.Close()
	t.Cleanup(func() {
		unix.Close(v.fd)
		v.cmd.Process.Kill()
		v.cmd.Wait()
		r.Close()
	})
	if m := v.receive(); m.kind != wire.TypeHello {
		t.Fatalf("the first message is %v", m.kind)
	}
	return v
}

func (v *victim) fill(w *os.File) {
	raw, err := w.SyscallConn()
	if err != nil {
		v.t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 4096)
		for {
			n, err := unix.Write(int(fd), make([]byte, 4096))
			if err != nil {
				return // EAGAIN: os.Pipe's are non-blocking here, and blocking for the helper
			}
			v.filled += n
		}
	})
	w.Fd() // blocking from now on
}

func (v *victim) resident(line string) int {
	v.t.Helper()
	kb, err := memory(v.cmd.Process.Pid, line)
	if err != nil {
		v.t.Fatal(err)
	}
	return kb
}

// send writes all of b, and passes descriptors with its first byte.
func (v *victim) send(b []byte, fds ...int) {
	v.t.Helper()
	for len(b) > 0 {
		var rights []byte
		if len(fds) > 0 {
			rights = unix.UnixRights(fds...)
		}
		n, err := unix.SendmsgN(v.fd, b, rights, nil, unix.MSG_NOSIGNAL)
		if err == unix.ETOOMANYREFS { // an ordinary user has as many on the way as it may open: the helper must take some
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			if err != unix.EPIPE && err != unix.ECONNRESET { // the helper may end us before we are through
				v.t.Error(err) // not Fatal: floods are sent by a goroutine of their own
			}
			return
		}
		b, fds = b[n:], nil
	}
}

// press writes as much of b as the helper takes until it takes no more, and returns the rest.
func (v *victim) press(b []byte) (rest []byte) {
	v.t.Helper()
	for len(b) > 0 {
		n, err := unix.SendmsgN(v.fd, b, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if err == unix.EAGAIN {
			if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(v.fd), Events: unix.POLLOUT}}, 300); n == 0 {
				return b
			}
			continue
		}
		if err != nil {
			v.t.Fatal(err)
		}
		b = b[n:]
	}
	return nil
}

// call sends a call with an id of its own.
func (v *victim) call(entrypoint string, timeout time.Duration, args []byte, fds ...int) (id uint64) {
	v.t.Helper()
	v.nextID++
	v.send(callFrame(v.nextID, entrypoint, timeout, len(fds), args), fds...)
	return v.nextID
}

// until reads on to the answer of one call, and counts those of others by their code ("" is a RET).
func (v *victim) until(id uint64) (last message, others map[string]int) {
	v.t.Helper()
	others = map[string]int{}
	for {
		m := v.receive()
		if m.err != nil {
			v.t.Fatalf("%v where the answer to a call belongs: %s", m.err, v.complaint())
		}
		if m.kind != wire.TypeReturn && m.kind != wire.TypeError {
			continue
		}
		if m.id == id {
			return m, others
		}
		others[m.code]++
	}
}

// look asks the helper what it has open, again where calls of before still take all places.
func (v *victim) look() (l looks) {
	v.t.Helper()
	m, _ := v.until(v.call("target.look", 0, []byte{0x80}))
	for end := time.Now().Add(patience); m.code == string(privsep.CodeBusy) && time.Now().Before(end); {
		m, _ = v.until(v.call("target.look", 0, []byte{0x80}))
	}
	r := strict.NewReader(m.body)
	n, err := r.Map()
	for range n {
		name, err1 := r.String(20)
		count, err2 := r.Uint(1 << 30)
		err = errors.Join(err, err1, err2)
		switch name {
		case "Files":
			l.Files = int(count)
		case "Routines":
			l.Routines = int(count)
		}
	}
	if err != nil {
		v.t.Fatalf("%v: %+v", err, m)
	}
	return l
}

// complaint is what the helper wrote to its standard error until it ended.
func (v *victim) complaint() string {
	v.t.Helper()
	if err := v.stderr.SetReadDeadline(time.Now().Add(patience)); err != nil {
		v.t.Fatal(err)
	}
	b, err := io.ReadAll(v.stderr)
	if err != nil {
		v.t.Fatalf("%v: %s", err, bytes.Trim(b, "\x00"))
	}
	return string(b[min(v.filled, len(b)):])
}

// ended waits for the helper's end, which is by this reason and no other, said in one line.
func (v *victim) ended(reason string) {
	v.t.Helper()
	for {
		m := v.receive()
		if m.err != nil {
			break
		}
		if m.kind == wire.TypeReturn || m.kind == wire.TypeError {
			v.t.Errorf("an answer before the end: %+v", m)
		}
	}
	v.grown()
	text := v.complaint()
	_ = v.cmd.Wait()
	if !strings.Contains(text, reason) || strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") || len(text) > 500 {
		v.t.Errorf("the helper's last words are not one line that says %q: %.2000q", reason, text)
	}
	if code := v.cmd.ProcessState.ExitCode(); code <= 0 {
		v.t.Errorf("the helper ended with %v", v.cmd.ProcessState)
	}
}

// lives wants the helper to serve on, with no more open than before.
func (v *victim) lives() {
	v.t.Helper()
	var now looks
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if now = v.look(); now.Files <= v.before.Files && now.Routines <= v.before.Routines+2 {
			break
		}
		if time.Now().After(end) {
			v.t.Errorf("before %+v, after %+v", v.before, now)
			break
		}
	}
	v.grown()
}

// grown holds the helper's peak against what it had when it was idle.
func (v *victim) grown() {
	v.t.Helper()
	kb := v.resident("VmHWM") - v.idle
	if kb >= growth && !raceEnabled {
		v.t.Errorf("the helper grew by %d kB from %d", kb, v.idle)
	}
	v.t.Logf("grew by %d kB from %d", kb, v.idle)
}
