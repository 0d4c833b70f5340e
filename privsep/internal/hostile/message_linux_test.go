package hostile

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep/internal/strict"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// frame is a message with the length that it has, from its elements.
func frame(write func(*strict.Writer)) []byte {
	w := strict.Writer{Buf: make([]byte, 4)}
	write(&w)
	binary.BigEndian.PutUint32(w.Buf, uint32(len(w.Buf)-4))
	return w.Buf
}

func callFrame(id uint64, entrypoint string, timeout time.Duration, descriptors int, args []byte) []byte {
	return frame(func(w *strict.Writer) {
		w.Array(7)
		w.Uint(uint64(wire.TypeCall))
		w.Uint(uint64(descriptors))
		w.Uint(id)
		w.String(entrypoint)
		w.Uint(uint64(timeout))
		w.Uint(0) // no token
		w.Raw(args)
	})
}

func simple(kind wire.Type, numbers ...uint64) []byte {
	return frame(func(w *strict.Writer) {
		w.Array(2 + len(numbers))
		w.Uint(uint64(kind))
		w.Uint(0)
		for _, n := range numbers {
			w.Uint(n)
		}
	})
}

var add2 = []byte{0x92, 1, 2}

// message is what came from the helper.
type message struct {
	kind wire.Type
	id   uint64 // of a RET or ERR
	code string // of an ERR
	body []byte // of a RET
	err  error  // io.EOF: the end
}

// receive reads one message. Descriptors are not asked for, so none are installed.
func (v *victim) receive() (m message) {
	v.t.Helper()
	payload, err := v.payload()
	if err != nil {
		return message{err: err}
	}
	r := strict.NewReader(payload).Within(strict.Limits{Elements: len(payload)})
	_, err = r.Array()
	kind, err1 := r.Uint(255)
	_, err2 := r.Uint(253)
	m.kind = wire.Type(kind)
	if err := errors.Join(err, err1, err2); err != nil {
		v.t.Fatal(err)
	}
	switch m.kind {
	case wire.TypeReturn:
		m.id, err1 = r.Uint(1<<64 - 1)
		m.body, err2 = r.Value()
	case wire.TypeError:
		m.id, err1 = r.Uint(1<<64 - 1)
		m.code, err2 = r.String(200)
	}
	if err := errors.Join(err1, err2); err != nil {
		v.t.Fatal(err)
	}
	return m
}

func (v *victim) payload() ([]byte, error) {
	head := make([]byte, 4)
	if err := v.read(head); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head))
	return b, v.read(b)
}

func (v *victim) read(b []byte) error {
	v.t.Helper()
	for len(b) > 0 {
		if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(v.fd), Events: unix.POLLIN}}, int(patience/time.Millisecond)); n == 0 {
			v.t.Fatalf("the helper says nothing within %v", patience)
		}
		n, err := unix.Read(v.fd, b)
		if n == 0 || err == unix.ECONNRESET { // it went with bytes of ours unread
			return io.EOF
		}
		if err != nil {
			v.t.Fatal(err)
		}
		b = b[n:]
	}
	return nil
}

// answer wants the next message to be of this type.
func (v *victim) answer(kind wire.Type) message {
	v.t.Helper()
	m := v.receive()
	if m.kind != kind || m.err != nil {
		v.t.Fatalf("%+v where %v belongs", m, kind)
	}
	return m
}
