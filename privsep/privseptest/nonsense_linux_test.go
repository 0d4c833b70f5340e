package privseptest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/internal/wire"
	"github.com/privhelper/privhelper/privsep/privseptest"
)

func frame(payload ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
}

// TestNonsenseEndsItsOwnConnection: one daemon serves two clients; what one of them sends ends it alone.
func TestNonsenseEndsItsOwnConnection(t *testing.T) {
	w := newWorld(daemon.Options{})
	good := privseptest.Join(t, w.d, jobs)
	before := descriptors(t)
	hold1 := append([]byte{0x97, 3, 0, 7}, append(append([]byte{0xa9}, "jobs.hold"...), 0, 0, 0xa1, 'x')...)
	for name, nonsense := range map[string][]byte{
		"length 0":            {0, 0, 0, 0},
		"length above limit":  {0, 0x20, 0, 0},
		"length 2^32-1":       {0xff, 0xff, 0xff, 0xff},
		"no array":            frame(0x01),
		"empty array":         frame(0x90),
		"unknown type":        frame(0x93, 99, 0, 1),
		"trailing bytes":      frame(0x93, 1, 0, 7, 0),
		"too few fields":      frame(0x92, 1, 0),
		"too many fields":     frame(0x94, 1, 0, 7, 7),
		"field of other type": frame(0x93, 1, 0, 0xa1, 'x'),
		"signal 65":           frame(0x94, 9, 0, 1, 65),
		"HELLO":               frame(0x93, 0, 0, 1),
		"PONG":                frame(0x93, 2, 0, 1),
		"RET":                 frame(0x94, 4, 0, 1, 0xc0),
		"ERR":                 frame(0x96, 5, 0, 1, 0xa0, 0, 0xa0),
		"STARTED":             frame(0x95, 8, 0, 1, 1, 0xa0),
		"missing descriptor":  frame(0x93, 3, 1, 1),
		"files with PING":     frame(0x93, 1, 1, 1),
		"deep nesting":        frame(append([]byte{0x97, 3, 0, 1, 0xa1, 'x', 0, 0}, bytes.Repeat([]byte{0x91}, 100000)...)...),
		"same id twice":       append(frame(hold1...), frame(hold1...)...),
	} {
		t.Run(name, func(t *testing.T) {
			theirs, ours, err := pair(t)
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			served := make(chan error, 1)
			go func() { served <- w.d.Serve(context.Background(), theirs) }()
			if _, err := ours.Write(nonsense); err != nil {
				t.Fatal(err)
			}
			err = <-served
			var protocol *wire.ProtocolError
			if !errors.As(err, &protocol) {
				t.Errorf("the helper ended with %v", err)
			}
			if _, err := io.Copy(io.Discard, ours); err != nil {
				t.Errorf("the connection's end: %v", err)
			}
			if _, err := add.Call(t.Context(), good, [2]int{1, 1}); err != nil {
				t.Errorf("the other client: %v", err)
			}
		})
	}
	settles(t, "descriptors are as before", func() bool { return descriptors(t) == before })
}

// TestDescriptorsNobodyNames: files that come with a message that may have none are closed.
func TestDescriptorsNobodyNames(t *testing.T) {
	w := newWorld(daemon.Options{})
	theirs, ours, err := pair(t)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	served := make(chan error, 1)
	go func() { served <- w.d.Serve(context.Background(), theirs) }()
	before := descriptors(t)
	if err := unix.Sendmsg(int(ours.Fd()), frame(0x93, 1, 0, 7), unix.UnixRights(int(null.Fd())), nil, 0); err != nil {
		t.Fatal(err)
	}
	var protocol *wire.ProtocolError
	if err := <-served; !errors.As(err, &protocol) {
		t.Errorf("the helper ended with %v", err)
	}
	settles(t, "descriptors are closed", func() bool { return descriptors(t) <= before })
}

// TestPending: an unanswered id may not be used again, an answered one may.
func TestPending(t *testing.T) {
	w := newWorld(daemon.Options{})
	theirs, ours, err := pair(t)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.d.Serve(context.Background(), theirs) }()
	conn, err := wire.NewConn(ours, wire.FromClient)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := conn.Send(t.Context(), wire.Call{ID: 7, Entrypoint: "jobs.add", Args: []byte{0x92, 1, 2}}, nil); err != nil {
			t.Fatal(err)
		}
		for answered := false; !answered; {
			m, _, err := conn.Receive()
			if err != nil {
				t.Fatal(err)
			}
			r, ok := m.(wire.Return)
			answered = ok && r.ID == 7
		}
	}
	conn.Close()
	if err := <-served; err != nil {
		t.Errorf("a client that goes is no error: %v", err)
	}
}
