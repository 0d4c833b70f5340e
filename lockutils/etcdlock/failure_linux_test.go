package etcdlock_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
	"github.com/privhelper/privhelper/lockutils/etcdlock"
)

// holder is a process that holds a lock.
type holder struct {
	cmd   *exec.Cmd
	in    io.Writer
	out   *bufio.Reader
	token int64
}

func startHolder(t *testing.T, cmd *exec.Cmd) *holder {
	t.Helper()
	cmd.Stderr = os.Stderr
	h := &holder{cmd: cmd}
	in, err := h.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.in, h.out = in, bufio.NewReader(out)
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.cmd.Process.Kill()
		h.cmd.Wait()
	})
	if h.token, err = strconv.ParseInt(h.line(t), 10, 64); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *holder) line(t *testing.T) string {
	t.Helper()
	line, err := h.out.ReadString('\n')
	if err != nil {
		t.Fatalf("holder: %v", err)
	}
	return strings.TrimSpace(line)
}

// state asks the holder whether it holds.
func (h *holder) state(t *testing.T) string {
	t.Helper()
	fmt.Fprintln(h.in, "?")
	return h.line(t)
}

// stop stops the holder, and returns when it stands still.
func (h *holder) stop(t *testing.T) time.Time {
	t.Helper()
	h.cmd.Process.Signal(syscall.SIGSTOP)
	var status unix.WaitStatus
	if _, err := unix.Wait4(h.cmd.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("wait for the holder to stop: %v, status %x", err, status)
	}
	return time.Now()
}

// The next gets in when the TTL of a killed holder is over, with a greater token.
func TestHolderKilled(t *testing.T) {
	c := startCluster(t, 3)
	l := c.open("/k?ttl=3s")
	h := startHolder(t, testenv.Child(t, "hold", c.url("/k?ttl=3s"), "x"))
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	held := lock(t, l, "x")
	took := time.Since(killed)
	t.Logf("after %v", took)
	if took < 2*time.Second-100*time.Millisecond || took > 4*time.Second {
		t.Errorf("the next got in after %v, want 3 s ± 1", took)
	}
	if held.Token() <= h.token {
		t.Errorf("token %d after %d", held.Token(), h.token)
	}
	unlock(t, held)
}

// A holder that was stopped for two TTLs sees that it lost the lock in the moment in which it looks, although its timers
// have not run yet.
func TestHolderStopped(t *testing.T) {
	c := startCluster(t, 1)
	l := c.open("/s?ttl=2s")
	h := startHolder(t, testenv.Child(t, "hold", c.url("/s?ttl=2s"), "x"))
	if state := h.state(t); state != "held" {
		t.Fatal(state)
	}
	stopped := h.stop(t)
	fmt.Fprintln(h.in, "?") // the first that it reads when it goes on
	held := lock(t, l, "x")
	if held.Token() <= h.token {
		t.Errorf("token %d after %d", held.Token(), h.token)
	}
	time.Sleep(time.Until(stopped.Add(4 * time.Second)))
	h.cmd.Process.Signal(syscall.SIGCONT)
	if state := h.line(t); state != "lost" {
		t.Errorf("after two TTLs it says %s", state)
	}
	select {
	case <-held.Lost():
		t.Error("and the new holder lost it")
	default:
	}
	unlock(t, held)
}

// The leader killed: the lock stays held, and passes on. The majority stopped: Lost is closed before a TTL is over, and
// locks are had again when it is back.
func TestMembersFail(t *testing.T) {
	c := startCluster(t, 3)
	const ttl = 10 * time.Second // on a busy machine members may need several elections
	a, b := c.open("/m?ttl=10s"), c.open("/m?ttl=10s")
	held := lock(t, a, "x")
	leader := c.leader()
	c.signal(leader, syscall.SIGKILL)
	next := make(chan int64)
	go func() {
		second := lock(t, b, "x")
		next <- second.Token()
		second.Unlock()
	}()
	time.Sleep(ttl + time.Second) // in which a new leader must have renewed the lease
	select {
	case <-held.Lost():
		t.Error("lost with a leader of three")
	case <-next:
		t.Error("two hold")
	default:
	}
	unlock(t, held)
	if token := <-next; token <= held.Token() {
		t.Errorf("token %d after %d", token, held.Token())
	}
	leader.cmd.Wait()
	c.start(leader)

	held = lock(t, a, "x")
	for _, m := range c.members[:2] {
		c.signal(m, syscall.SIGSTOP)
	}
	began := time.Now()
	select {
	case <-held.Lost():
	case <-time.After(time.Minute):
		t.Fatal("not lost without a majority")
	}
	if took := time.Since(began); took > ttl {
		t.Errorf("lost after %v, more than the TTL", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := b.Lock(ctx, "y"); err == nil {
		t.Error("a lock without a majority")
	} else {
		t.Log(err)
	}
	for _, m := range c.members[:2] {
		c.signal(m, syscall.SIGCONT)
	}
	again := lock(t, b, "x")
	if again.Token() <= held.Token() {
		t.Errorf("token %d after %d", again.Token(), held.Token())
	}
	unlock(t, again)
}

// An Unlock whose answer is lost is sent again, and does not delete the lock of who took it meanwhile.
func TestLostAnswer(t *testing.T) {
	c := startCluster(t, 1)
	other := c.open("/r?ttl=20s")
	p := startProxy(t, c.members[0].address)
	l, err := etcdlock.Open(t.Context(), "etcd://"+p.address+"/r?ttl=20s", etcdlock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	first := lock(t, l, "x")
	p.mute.Store(true)
	unlocked := make(chan error)
	go func() { unlocked <- first.Unlock() }()
	second := lock(t, other, "x") // so the release was carried out
	select {
	case err := <-unlocked:
		t.Fatalf("unlocked without an answer: %v", err)
	default:
	}
	p.mute.Store(false)
	p.cut()
	if err := <-unlocked; err != nil {
		t.Errorf("unlock: %v", err)
	}
	waitPlaces(t, c, second.Path, 1)
	if _, err := l.TryLock(t.Context(), "x"); !errors.Is(err, lockutils.ErrBusy) {
		t.Errorf("the next holder's lock: %v", err)
	}
	unlock(t, second)

	// A put whose answer is lost may be carried out late: nothing of it stays in line.
	p.mute.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := l.Lock(ctx, "y"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("lock without answers: %v", err)
	}
	p.mute.Store(false)
	p.cut()
	unlock(t, lock(t, other, "y"))
	waitPlaces(t, c, "/r/y/", 0)
	unlock(t, lock(t, l, "y"))
}

// Somebody deletes the key of a holder: its Unlock says so.
func TestDeletedByHand(t *testing.T) {
	c := startCluster(t, 1)
	held := lock(t, c.open("/r"), "x")
	if _, err := c.client().Delete(t.Context(), held.Path, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	if err := held.Unlock(); !errors.Is(err, lockutils.ErrLost) {
		t.Errorf("unlock: %v", err)
	}
}
