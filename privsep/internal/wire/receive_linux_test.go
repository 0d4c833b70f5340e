package wire

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

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
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, _, err := c.Receive(); err != io.ErrUnexpectedEOF {
			t.Errorf("the longest frame that may be: %v", err)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<17 {
			t.Errorf("%d bytes allocated for a length", took)
		}
	}
}

// TestSizes: frames of each size at which memory is found in another way, one behind the other in one stream.
func TestSizes(t *testing.T) {
	client, helper := pair(t)
	overhead := len(appendFrame(nil, call(1, 0), 0)) - 4
	var sizes []int
	for _, around := range []int{64, bufferSize, 2 * bufferSize, 16 * bufferSize, 32 * bufferSize, maxIdleOut, MaxFromClient} {
		for size := around - 6; size <= min(around+6, MaxFromClient); size++ {
			sizes = append(sizes, size)
		}
	}
	go func() {
		for id, size := range sizes {
			for _, m := range []Message{call(uint64(id), size-overhead), Ping{ID: uint64(id)}} {
				if _, err := client.Send(context.Background(), m, nil); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	for id, size := range sizes {
		for _, want := range []Message{call(uint64(id), size-overhead), Ping{ID: uint64(id)}} {
			if m, _, err := helper.Receive(); err != nil || !reflect.DeepEqual(m, want) {
				t.Fatalf("a frame of %d bytes: %v, %v", size, m.Type(), err)
			}
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
