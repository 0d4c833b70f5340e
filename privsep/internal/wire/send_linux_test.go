package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
