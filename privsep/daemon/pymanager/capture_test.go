package pymanager

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func newCapture(memory, left int64) *capture {
	c := &capture{memory: &budget{}, left: left}
	c.memory.give(memory)
	return c
}

func joined(o *output) string { return string(bytes.Join(o.pieces, nil)) }

func TestCapture(t *testing.T) {
	want := strings.Repeat("0123456789", 1<<19)
	c := newCapture(64<<20, 64<<20)
	if err := c.read(&c.out, strings.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	if err := c.read(&c.err, io.LimitReader(strings.NewReader(want), 7)); err != nil {
		t.Fatal(err)
	}
	c.close()
	c.say("more")
	if joined(&c.out) != want || joined(&c.err) != "0123456more\n" {
		t.Errorf("%d bytes and %q", len(joined(&c.out)), joined(&c.err))
	}
	if c.free(); c.memory.left.Load() != 64<<20 {
		t.Errorf("%d bytes are not given back", 64<<20-c.memory.left.Load())
	}
}

func TestCaptureBounds(t *testing.T) {
	for _, bound := range []struct {
		memory, output int64
		want           error
	}{{1 << 30, 100, errOutput}, {1 << 10, 1 << 30, errMemory}, {1 << 20, 1 << 30, errMemory}} {
		c := newCapture(bound.memory, bound.output)
		if err := c.read(&c.out, strings.NewReader(strings.Repeat("x", 4<<20))); err != bound.want {
			t.Errorf("%+v: %v", bound, err)
		}
		if got := int64(len(joined(&c.out))); got > min(bound.memory, bound.output) {
			t.Errorf("%+v: %d bytes are kept", bound, got)
		}
		if c.free(); c.memory.left.Load() != bound.memory {
			t.Errorf("%+v: %d bytes are left", bound, c.memory.left.Load())
		}
	}
	c := newCapture(1<<20, 10)
	if err := c.read(&c.out, strings.NewReader("0123456789")); err != nil {
		t.Errorf("exactly what is allowed: %v", err)
	}
	if err := c.read(&c.err, strings.NewReader("0")); err != errOutput {
		t.Errorf("both streams together: %v", err)
	}
}

// What comes after the end is read, so that its writer lives, and dropped.
func TestCaptureClosed(t *testing.T) {
	c := newCapture(1<<20, 100)
	r, w := io.Pipe()
	done := make(chan error)
	go func() { done <- c.read(&c.out, r) }()
	if _, err := io.WriteString(w, "early"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(nil); err != nil { // and so the five bytes were taken
		t.Fatal(err)
	}
	c.close()
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := <-done; err != nil || joined(&c.out) != "early" {
		t.Errorf("%v, %q", err, joined(&c.out))
	}
}
