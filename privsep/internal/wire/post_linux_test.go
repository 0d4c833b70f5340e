package wire

import (
	"bytes"
	"context"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPost: what was posted leaves in order, before what is sent after it, and what cannot lie in the mailbox is Send's.
func TestPost(t *testing.T) {
	client, helper := pair(t)
	for id := range uint64(3) {
		if posted, first := client.Post(Ping{ID: id}); !posted || first != (id == 0) {
			t.Fatalf("message %d: posted %v, first %v", id, posted, first)
		}
	}
	for why, m := range map[string]Message{"large": call(9, 2*bufferSize), "the helper's": Pong{}, "no arguments": Call{ID: 9, Entrypoint: "a.b"}} {
		if posted, _ := client.Post(m); posted {
			t.Errorf("%s: posted", why)
		}
	}
	if _, err := client.Send(t.Context(), Ping{ID: 3}, nil); err != nil {
		t.Fatal(err)
	}
	if posted, first := client.Post(Ping{ID: 4}); !posted || !first {
		t.Fatalf("posted %v, first %v", posted, first)
	}
	if begun, err := client.Flush(); !begun || err != nil {
		t.Fatalf("begun %v, %v", begun, err)
	}
	for id := range uint64(5) {
		if m, _, err := helper.Receive(); err != nil || m != (Ping{ID: id}) {
			t.Fatalf("%+v, %v, want %d", m, err, id)
		}
	}
	helper.Close()
	client.Post(Ping{})
	if begun, err := client.Flush(); begun || err == nil {
		t.Errorf("to a peer that is gone: begun %v, %v", begun, err)
	}
}

// TestPostWithoutReader: nobody reads, so that Flush leaves the rest to the background, the mailbox takes no more, and Send
// waits as long as its context lasts. All that was posted comes when somebody reads.
func TestPostWithoutReader(t *testing.T) {
	client, helper := pair(t)
	taken := uint64(0)
	for m := call(0, 3000); ; taken++ {
		m.ID = taken
		if posted, _ := client.Post(m); !posted {
			break
		}
		if begun, err := client.Flush(); !begun || err != nil {
			t.Fatalf("begun %v, %v", begun, err)
		}
		if taken > 10_000 {
			t.Fatal("there is no bound")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if begun, err := client.Send(ctx, Ping{}, nil); begun || err == nil {
		t.Errorf("begun %v, %v", begun, err)
	}
	for id := range taken {
		want := call(id, 3000)
		if m, _, err := helper.Receive(); err != nil || !reflect.DeepEqual(m, want) {
			t.Fatalf("message %d: %v", id, err)
		}
	}
}

// TestReceiveUntil: a wait that ends with its context loses nothing of a message, wherever in it that was.
func TestReceiveUntil(t *testing.T) {
	for _, m := range []Call{call(1, 10), call(2, 3*bufferSize)} {
		whole := appendFrame(nil, m, 1)
		for _, n := range []int{0, 1, 4, 5, len(whole) - 1} {
			raw, c := rawPair(t, FromHelper)
			if n > 0 {
				put(t, raw, whole[:n], 0)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for range 2 {
				if _, _, err := c.ReceiveUntil(ctx); err != ErrWaited {
					t.Fatalf("after %d bytes: %v", n, err)
				}
			}
			if n == 0 {
				put(t, raw, whole, 0)
			} else {
				put(t, raw, whole[n:])
			}
			got, files, err := c.ReceiveUntil(t.Context())
			if err != nil || !reflect.DeepEqual(got, m) || len(files) != 1 {
				t.Fatalf("after %d bytes: %d files, %v", n, len(files), err)
			}
			closeAll(files)
		}
	}
}

// TestWhole: it says that Receive will not wait, and only then.
func TestWhole(t *testing.T) {
	raw, c := rawPair(t, FromHelper)
	ping := appendFrame(nil, Ping{ID: 1}, 0)
	put(t, raw, append(bytes.Repeat(ping, 3), ping[:5]...))
	for left := 3; left > 0; left-- {
		if _, _, err := c.Receive(); err != nil {
			t.Fatal(err)
		}
		if c.Whole() != (left > 1) {
			t.Errorf("%v with %d messages there", c.Whole(), left-1)
		}
	}
}

// TestNonBlockingSocket: the other side has a copy of our end and can make it non-blocking, for both. It is waited for all the
// same, in both directions.
func TestNonBlockingSocket(t *testing.T) {
	a, b := sockets(t)
	fd, err := unix.Dup(int(a.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	client, helper := newConn(t, a, FromClient), newConn(t, b, FromHelper)
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = helper.Send(context.Background(), Pong{ID: 5}, nil) }()
	if m, _, err := client.Receive(); err != nil || m != (Pong{ID: 5}) {
		t.Errorf("%+v, %v", m, err)
	}
}
