package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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

// TestDescriptorsInFlight: another process of our user has as many descriptors in flight as the user may have, until it
// reads them. A message with files waits for that, and none is lost.
func TestDescriptorsInFlight(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root's descriptors in flight are not limited (CAP_SYS_RESOURCE, CAP_SYS_ADMIN): the CI's run as a user does this")
	}
	client, helper := pair(t)
	flood, drain := sockets(t)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 256
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	rights := unix.UnixRights(make([]int, 100)...)
	sent := 0
	for ; ; sent++ {
		err := unix.Sendmsg(int(flood.Fd()), []byte{0}, rights, nil, unix.MSG_DONTWAIT)
		if err == unix.ETOOMANYREFS {
			break
		}
		if err != nil || sent > 100 {
			t.Skipf("this kernel does not limit descriptors in flight: %v after %d", err, sent)
		}
	}
	done := make(chan error, 1)
	go func() {
		_, err := client.Send(context.Background(), call(1, 1), []*os.File{os.Stdin})
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("not waited for: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	drain.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_, files, err := helper.Receive()
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	closeAll(files)
}
