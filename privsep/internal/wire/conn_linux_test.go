package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds how long a test that hangs hangs.
const patience = 30 * time.Second

// sockets returns the two ends of a connection.
func sockets(t testing.TB) (a, b *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b")
}

func newConn(t testing.TB, socket *os.File, us Side) *Conn {
	t.Helper()
	c, err := NewConn(socket, us)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// pair returns a client and a helper who speak with each other.
func pair(t testing.TB) (client, helper *Conn) {
	t.Helper()
	a, b := sockets(t)
	return newConn(t, a, FromClient), newConn(t, b, FromHelper)
}

// rawPair returns a blocking socket to write nonsense to, and the Conn that reads it.
func rawPair(t testing.TB, reader Side) (raw int, c *Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]) })
	return fds[0], newConn(t, os.NewFile(uintptr(fds[1]), "b"), reader)
}

func put(t testing.TB, fd int, b []byte, fds ...int) {
	t.Helper()
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(fd, b, rights, nil, unix.MSG_NOSIGNAL); err != nil {
		t.Fatal(err)
	}
}

// openFiles is how many descriptors this process has. Nothing is collected meanwhile: the garbage collector closes files
// too, and would hide one that was forgotten.
func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func wantProtocolError(t testing.TB, why string, err error, says string) {
	t.Helper()
	var p *ProtocolError
	if !errors.As(err, &p) || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: the error does not say %q: %v", why, says, err)
	}
}

func call(id uint64, size int) Call {
	args := append([]byte{0xc6, 0, 0, 0, 0}, make([]byte, size)...)
	binary.BigEndian.PutUint32(args[1:], uint32(size))
	return Call{ID: id, Entrypoint: "net.x", Args: args}
}

// TestSendReceive: every message arrives as it was sent, with its files.
func TestSendReceive(t *testing.T) {
	client, helper := pair(t)
	for _, g := range golden {
		from, to := client, helper
		if g.from == FromHelper {
			from, to = helper, client
		}
		files := make([]*os.File, g.files)
		for i := range files {
			files[i] = os.Stdin
		}
		if begun, err := from.Send(context.Background(), g.m, files); err != nil || !begun {
			t.Fatalf("%s: %v, %v", g.name, begun, err)
		}
		m, got, err := to.Receive()
		if err != nil || !reflect.DeepEqual(m, g.m) || len(got) != g.files {
			t.Errorf("%s: %+v, %d files, %v", g.name, m, len(got), err)
		}
		for _, f := range got {
			raw, _ := f.SyscallConn()
			_ = raw.Control(func(fd uintptr) {
				if flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("%s: a file that every command inherits: %v", g.name, err)
				}
			})
		}
		closeAll(got)
	}
	client.Close()
	for range 2 {
		if _, _, err := helper.Receive(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}

// TestDescriptors: how many came and how many the frame says; whatever the difference, none stays open.
func TestDescriptors(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	frame := func(m Message, says int) []byte { return appendFrame(nil, m, says) }
	small := call(1, 1)
	ping := frame(Ping{ID: 1}, 0)
	for _, test := range []struct {
		why   string
		bytes []byte
		came  int
		ok    int // messages before the error
		says  string
	}{
		{"as many", frame(small, 3), 3, 1, ""},
		{"too few", frame(small, 3), 2, 0, "says 3 descriptors, 2 came"},
		{"none where one should be", frame(small, 1), 0, 0, "says 1 descriptors, 0 came"},
		{"too many", frame(small, 1), 2, 0, "1 descriptors that no message names"},
		{"with a message that may have none", ping, 1, 0, "that no message names"},
		{"claimed by a message that may have none", frame(Ping{ID: 1}, 1), 1, 0, "PING with descriptors"},
		{"unclaimed by two messages", append(bytes.Clone(ping), ping...), 1, 1, "that no message names"},
		{"with nonsense", []byte{0, 0, 0, 1, 0xc1}, 2, 0, "0xc1"},
		{"with half a frame", frame(small, 2)[:9], 2, 0, "unexpected EOF"},
		{"as many as there can be", frame(small, MaxFiles), MaxFiles, 1, ""},
	} {
		raw, c := rawPair(t, FromHelper)
		before := openFiles(t)
		put(t, raw, test.bytes, make([]int, test.came)...) // standard input, again and again
		if err := unix.Shutdown(raw, unix.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		for range test.ok {
			m, files, err := c.Receive()
			if err != nil {
				t.Fatalf("%s: %v", test.why, err)
			}
			if m.Type() == TypeCall && len(files) != test.came {
				t.Errorf("%s: %d files", test.why, len(files))
			}
			closeAll(files)
		}
		_, files, err := c.Receive()
		switch {
		case test.says == "" && err != io.EOF, test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%s: the error does not say %q: %v", test.why, test.says, err)
		case files != nil:
			t.Errorf("%s: files with an error", test.why)
		}
		if after := openFiles(t); after != before {
			t.Errorf("%s: %d descriptors before, %d after", test.why, before, after)
		}
		_, _, again := c.Receive()
		if again != err {
			t.Errorf("%s: after %v came %v", test.why, err, again)
		}
	}
}

// TestDescriptorsOfTwoFrames: the end of one frame and the begin of the next can come with one recvmsg, and bring more
// descriptors together than one frame may.
func TestDescriptorsOfTwoFrames(t *testing.T) {
	client, helper := pair(t)
	files := make([]*os.File, 200)
	for i := range files {
		files[i] = os.Stdin
	}
	for id := range uint64(2) {
		if _, err := client.Send(context.Background(), call(id, 50<<10), files); err != nil {
			t.Fatal(err)
		}
	}
	for id := range uint64(2) {
		m, got, err := helper.Receive()
		if err != nil || m.(Call).ID != id || len(got) != len(files) {
			t.Fatalf("call %d: %d files, %v", id, len(got), err)
		}
		closeAll(got)
	}
}

// TestNoRoomForDescriptors: it is this process that may open no more files, and not the peer who is to blame.
func TestNoRoomForDescriptors(t *testing.T) {
	raw, c := rawPair(t, FromHelper)
	put(t, raw, appendFrame(nil, call(1, 1), 2), 0, 0)
	lowest, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(lowest)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	full := limit
	full.Cur = uint64(lowest)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &full); err != nil {
		t.Fatal(err)
	}
	_, _, got := c.Receive()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	var p *ProtocolError
	if got == nil || errors.As(got, &p) || !strings.Contains(got.Error(), "RLIMIT_NOFILE") {
		t.Errorf("%v", got)
	}
}

// TestPieces: a frame that comes byte by byte is the same frame; one that ends early is an error at every length.
func TestPieces(t *testing.T) {
	for _, g := range golden {
		whole := appendFrame(nil, g.m, g.files)
		raw, c := rawPair(t, !g.from)
		for i := range whole {
			if i == 0 {
				put(t, raw, whole[:1], make([]int, g.files)...)
			} else {
				put(t, raw, whole[i:i+1])
			}
		}
		m, files, err := c.Receive()
		if err != nil || !reflect.DeepEqual(m, g.m) || len(files) != g.files {
			t.Errorf("%s byte by byte: %+v, %v", g.name, m, err)
		}
		closeAll(files)
		for n := range whole {
			raw, c := rawPair(t, !g.from)
			put(t, raw, whole[:n])
			if err := unix.Shutdown(raw, unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = io.EOF
			}
			if _, _, err := c.Receive(); err != want {
				t.Errorf("%s, %d of %d bytes: %v", g.name, n, len(whole), err)
			}
			c.Close()
		}
	}
}

// TestReset: a peer that goes with bytes of ours unread ends as one that does not: in the midst of a frame or behind one.
func TestReset(t *testing.T) {
	for sent, want := range map[string]error{"": io.EOF, "\x00\x00": io.ErrUnexpectedEOF, "\x00\x00\x00\x09\x93": io.ErrUnexpectedEOF} {
		a, b := sockets(t)
		helper := newConn(t, b, FromHelper)
		if _, err := helper.Send(context.Background(), Pong{ID: 1}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := a.WriteString(sent); err != nil {
			t.Fatal(err)
		}
		a.Close()
		if _, _, err := helper.Receive(); err != want {
			t.Errorf("after %q: %v, want %v", sent, err, want)
		}
	}
}

// TestLength: 0, one above the cap, and what is the most of 32 bits; none takes memory for what it claims.
func TestLength(t *testing.T) {
	for _, reader := range []Side{FromHelper, FromClient} {
		for _, size := range []uint32{0, uint32((!reader).MaxFrame()) + 1, 1<<32 - 1} {
			raw, c := rawPair(t, reader)
			put(t, raw, binary.BigEndian.AppendUint32(nil, size))
			_, _, err := c.Receive()
			wantProtocolError(t, fmt.Sprint(size), err, fmt.Sprintf("a frame of %d bytes", size))
		}
		raw, c := rawPair(t, reader)
		put(t, raw, binary.BigEndian.AppendUint32(nil, uint32((!reader).MaxFrame())))
		if err := unix.Shutdown(raw, unix.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Receive(); err != io.ErrUnexpectedEOF {
			t.Errorf("the longest frame that may be: %v", err)
		}
		if cap(c.buf) > 1<<16 {
			t.Errorf("%d bytes held for a length", cap(c.buf))
		}
	}
}

// TestWrongSide: each message from the side that may not send it.
func TestWrongSide(t *testing.T) {
	for _, g := range golden {
		raw, c := rawPair(t, g.from) // who would send it reads it
		put(t, raw, appendFrame(nil, g.m, 0))
		_, _, err := c.Receive()
		wantProtocolError(t, g.name, err, "it may not send "+g.m.Type().String())
	}
}

// TestSendRefuses: what the other side would refuse does not leave, and the connection is as good as before.
func TestSendRefuses(t *testing.T) {
	client, helper := pair(t)
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for _, test := range []struct {
		why   string
		ctx   context.Context
		m     Message
		files []*os.File
	}{
		{"above the cap", context.Background(), call(1, MaxFromClient), nil},
		{"254 files", context.Background(), call(1, 1), make([]*os.File, MaxFiles+1)},
		{"a file that is closed", context.Background(), call(1, 1), []*os.File{os.Stdin, closed}},
		{"a nil file", context.Background(), call(1, 1), []*os.File{nil}},
		{"files with a message that may have none", context.Background(), Ping{}, []*os.File{os.Stdin}},
		{"the helper's message", context.Background(), Pong{}, nil},
		{"no arguments", context.Background(), Call{ID: 1, Entrypoint: "a.b"}, nil},
		{"two values", context.Background(), Call{ID: 1, Entrypoint: "a.b", Args: []byte{1, 2}}, nil},
		{"a timeout below 0", context.Background(), Call{ID: 1, Entrypoint: "a.b", Timeout: -1, Args: []byte{1}}, nil},
		{"a name too long", context.Background(), Call{ID: 1, Entrypoint: strings.Repeat("a", 130), Args: []byte{1}}, nil},
		{"a context at its end", over, Ping{}, nil},
	} {
		for range 20 { // a context at its end must not win by chance
			if begun, err := client.Send(test.ctx, test.m, test.files); begun || err == nil {
				t.Fatalf("%s: begun %v, %v", test.why, begun, err)
			}
		}
	}
	var large *TooLargeError
	if _, err := client.Send(context.Background(), call(1, MaxFromClient), nil); !errors.As(err, &large) || large.Max != MaxFromClient || large.Size <= MaxFromClient {
		t.Errorf("%v", err)
	}
	if begun, err := client.Send(context.Background(), Ping{ID: 7}, nil); err != nil || !begun {
		t.Fatal(err)
	}
	if m, _, err := helper.Receive(); err != nil || m != (Ping{ID: 7}) {
		t.Errorf("the first to arrive is %+v, %v", m, err)
	}
}

// TestContextEndsWithinMessage: ctx ends when half of a message has left; the rest follows, and so do other messages.
func TestContextEndsWithinMessage(t *testing.T) {
	a, b := sockets(t)
	client, helper := newConn(t, a, FromClient), newConn(t, b, FromHelper)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_ = helper.raw.Control(func(fd uintptr) { // the first part has left when there is something to read
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience/time.Millisecond))
		})
		cancel()
	}()
	large := call(1, MaxFromClient-100)
	begun, err := client.Send(ctx, large, []*os.File{w})
	if !begun || !errors.Is(err, context.Canceled) {
		t.Fatalf("begun %v, %v", begun, err)
	}
	w.Close() // the caller's, and its descriptor has left
	// Nobody reads yet, so the right to write is the rest's: this one does not begin.
	short, end := context.WithTimeout(context.Background(), time.Millisecond)
	defer end()
	if begun, err := client.Send(short, Ping{ID: 2}, nil); begun || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("begun %v, %v", begun, err)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := client.Send(context.Background(), Ping{ID: 3}, nil)
		sent <- err
	}()
	m, files, err := helper.Receive()
	if err != nil || !reflect.DeepEqual(m, large) || len(files) != 1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	closeAll(files)
	if m, _, err = helper.Receive(); err != nil || m != (Ping{ID: 3}) {
		t.Errorf("%+v, %v", m, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestContextEndsBeforeMessage: ctx ends when no byte fits; the other side never sees the message.
func TestContextEndsBeforeMessage(t *testing.T) {
	client, helper := pair(t)
	full, frame := uint64(0), []byte(nil)
	_ = client.raw.Control(func(fd uintptr) {
		for err := error(nil); err == nil; full++ {
			frame = appendFrame(frame[:0], Ping{ID: full}, 0)
			err = unix.Sendmsg(int(fd), frame, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		}
		full-- // the last did not fit
	})
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		begun, err := client.Send(ctx, Ping{ID: 1 << 40}, nil)
		cancel()
		if begun || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("begun %v, %v", begun, err)
		}
	}
	for id := range full {
		if m, _, err := helper.Receive(); err != nil || m != (Ping{ID: id}) {
			t.Fatalf("%+v, %v, want %d", m, err, id)
		}
	}
	if begun, err := client.Send(context.Background(), Ping{ID: full}, nil); !begun || err != nil {
		t.Fatalf("begun %v, %v", begun, err)
	}
	if m, _, err := helper.Receive(); err != nil || m != (Ping{ID: full}) {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestManySenders: 64 goroutines, small and large messages, each with its own file: none is torn, and no file comes
// with another's message.
func TestManySenders(t *testing.T) {
	const senders, each = 64, 8
	client, helper := pair(t)
	var wg sync.WaitGroup
	for s := range uint64(senders) {
		wg.Go(func() {
			for i := range uint64(each) {
				id := s*each + i
				r, w, err := os.Pipe()
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Fprint(w, id)
				w.Close()
				if begun, err := client.Send(context.Background(), call(id, int(id%7)*9000), []*os.File{r}); !begun || err != nil {
					t.Errorf("call %d: begun %v, %v", id, begun, err)
				}
				r.Close()
			}
		})
	}
	seen := map[uint64]bool{}
	for range senders * each {
		m, files, err := helper.Receive()
		if err != nil || len(files) != 1 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		c := m.(Call)
		text, err := io.ReadAll(files[0])
		files[0].Close()
		if err != nil || string(text) != fmt.Sprint(c.ID) || !reflect.DeepEqual(c, call(c.ID, int(c.ID%7)*9000)) || seen[c.ID] {
			t.Fatalf("call %d with the file of %q, %v", c.ID, text, err)
		}
		seen[c.ID] = true
	}
	wg.Wait()
}

// TestClose: whoever waits in Send or Receive returns when the connection is closed.
func TestClose(t *testing.T) {
	client, helper := pair(t)
	ended := make(chan error, 2)
	go func() {
		_, _, err := client.Receive()
		ended <- err
	}()
	go func() {
		_, err := client.Send(context.Background(), call(1, MaxFromClient-100), nil)
		ended <- err
	}()
	_ = helper.raw.Control(func(fd uintptr) {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience/time.Millisecond))
	})
	client.Close()
	for range 2 {
		select {
		case err := <-ended:
			if err == nil {
				t.Error("no error from a connection that was closed")
			}
		case <-time.After(patience):
			t.Fatal("somebody still waits")
		}
	}
	if begun, err := client.Send(context.Background(), Ping{}, nil); begun || err == nil {
		t.Errorf("after Close: begun %v, %v", begun, err)
	}
	if begun, err := helper.Send(context.Background(), Pong{}, nil); begun || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("to a peer that is gone: begun %v, %v", begun, err)
	}
}

// TestShutdown: it ends the connection for every process that has the socket; a second descriptor stands for one here.
func TestShutdown(t *testing.T) {
	a, b := sockets(t)
	fd, err := unix.Dup(int(a.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	client, helper := newConn(t, a, FromClient), newConn(t, b, FromHelper)
	client.Shutdown()
	if _, _, err := helper.Receive(); err != io.EOF {
		t.Errorf("%v", err)
	}
	if _, err := unix.Write(fd, []byte{0}); err != unix.EPIPE {
		t.Errorf("%v", err)
	}
}
