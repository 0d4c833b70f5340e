package privsep_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/privseptest"
)

var (
	desk  = privsep.NewContext("desk")
	pass  = privsep.NewEntrypoint[privsep.File, privsep.File](desk, "pass")
	two   = privsep.NewEntrypoint[[2]privsep.File, int](desk, "two")
	late  = privsep.NewEntrypoint[privsep.Void, privsep.File](desk, "late")
	again = privsep.NewEntrypoint[privsep.File, privsep.File](desk, "again")
	take  = privsep.NewEntrypoint[privsep.File, privsep.Void](desk, "take")
)

// helper is a daemon whose handlers show the files that they had.
type helper struct {
	got, gave chan *os.File
	release   chan bool
}

func join(t *testing.T) (*helper, privsep.Caller) {
	h := &helper{got: make(chan *os.File, 4), gave: make(chan *os.File, 4), release: make(chan bool)}
	d := daemon.New(daemon.Options{Context: desk, Grace: time.Millisecond})
	open := func() (privsep.File, error) {
		f, err := os.Open("/dev/zero")
		h.gave <- f
		return privsep.File{File: f}, err
	}
	daemon.Handle(d, pass, func(_ context.Context, f privsep.File) (privsep.File, error) {
		h.got <- f.File
		if f.File == nil {
			return privsep.File{}, nil
		}
		if _, err := f.Seek(2, io.SeekCurrent); err != nil {
			return privsep.File{}, err
		}
		return open()
	})
	daemon.Handle(d, two, func(context.Context, [2]privsep.File) (int, error) { return 2, nil })
	daemon.Handle(d, late, func(context.Context, privsep.Void) (privsep.File, error) {
		<-h.release
		return open()
	})
	daemon.Handle(d, again, func(_ context.Context, f privsep.File) (privsep.File, error) { return f, nil })
	daemon.Handle(d, take, func(ctx context.Context, f privsep.File) (privsep.Void, error) {
		h.got <- daemon.Detach(ctx, f)
		return privsep.Void{}, nil
	})
	return h, privseptest.Join(t, d, desk)
}

// closes waits until the other side's goroutine has closed a file. The limit bounds a failure.
func closes(t *testing.T, what string, f *os.File) {
	t.Helper()
	settles(t, what+" is closed", func() bool { _, err := f.Stat(); return errors.Is(err, fs.ErrClosed) })
}

func settles(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func mine(t *testing.T) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(path, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Each sentence of File's documentation, in its order.
func TestFileBelongs(t *testing.T) {
	h, c := join(t)
	f := mine(t)
	reply, err := pass.Call(t.Context(), c, privsep.File{File: f})
	if err != nil {
		t.Fatal(err)
	}
	// The receiver shares the open file description: it moved the offset, and has a descriptor of its own.
	b := make([]byte, 1)
	if _, err := f.Read(b); err != nil || string(b) != "2" {
		t.Errorf("after the handler moved the offset by 2 the caller reads %q, %v", b, err)
	}
	got, gave := <-h.got, <-h.gave
	if got == f || gave == reply.File {
		t.Error("the two sides have one *os.File")
	}
	// In the client, Files in arguments stay the caller's (it was read above), and Files in a reply become the caller's.
	if _, err := reply.Read(b); err != nil {
		t.Errorf("the reply's file: %v", err)
	}
	// In the helper, Files in arguments are closed when the handler returns; a File in a reply is closed once it is sent.
	closes(t, "the helper's argument", got)
	closes(t, "what the helper replied with", gave)
	if _, err := reply.Read(b); err != nil {
		t.Errorf("the reply's file, after the helper's was closed: %v", err)
	}
	reply.Close()
	// An argument may be the reply, too: each side closes its own.
	if reply, err = again.Call(t.Context(), c, privsep.File{File: f}); err != nil || reply.File == nil {
		t.Errorf("an argument that comes back: %v", err)
	}
	reply.Close()
	// Unless daemon.Detach took them.
	if _, err := take.Call(t.Context(), c, privsep.File{File: f}); err != nil {
		t.Fatal(err)
	}
	taken := <-h.got
	if _, err := pass.Call(t.Context(), c, privsep.File{}); err != nil { // a later call, so the handler has returned
		t.Fatal(err)
	}
	if _, err := taken.Stat(); err != nil {
		t.Errorf("a detached file: %v", err)
	}
	taken.Close()
	// The zero File travels as nothing.
	if nothing := <-h.got; nothing != nil {
		t.Errorf("the handler got %v for no file", nothing)
	}
	if reply, err := pass.Call(t.Context(), c, privsep.File{}); err != nil || reply.File != nil {
		t.Errorf("the reply to no file: %v, %v", reply.File, err)
	}
}

// Files that never become anybody's are closed: of arguments that do not decode, that nobody has an entrypoint for, that
// name one file twice or leave one out, and of a reply that comes after the call was answered.
func TestFilesOfNobodyAreClosed(t *testing.T) {
	h, c := join(t)
	f := mine(t)
	if _, err := two.Call(t.Context(), c, [2]privsep.File{{File: f}, {File: f}}); err != nil {
		t.Errorf("one file in two places: %v", err)
	}
	before := descriptors(t)
	for name, r := range map[string]privsep.Request{
		"no entrypoint":    {Entrypoint: "desk.none", Args: []byte{0x92, 0, 1}, Files: []*os.File{f, f}},
		"of another type":  {Entrypoint: two.Name(), Args: []byte{0xa1, 'x'}, Files: []*os.File{f, f}},
		"one named twice":  {Entrypoint: two.Name(), Args: []byte{0x92, 0, 0}, Files: []*os.File{f}},
		"one never named":  {Entrypoint: two.Name(), Args: []byte{0x92, 0, 0xc0}, Files: []*os.File{f, f}},
		"one that is none": {Entrypoint: two.Name(), Args: []byte{0x92, 0, 2}, Files: []*os.File{f, f}},
	} {
		for range 20 {
			if _, err := c.Do(t.Context(), r); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		settles(t, name+": descriptors are as before", func() bool { return descriptors(t) == before })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := late.Call(ctx, c, privsep.Void{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a call that nobody answers in time: %v", err)
	}
	h.release <- true
	closes(t, "a late reply's file", <-h.gave)
	settles(t, "descriptors are as before", func() bool { return descriptors(t) == before })
	if _, err := f.Stat(); err != nil {
		t.Errorf("the caller's file: %v", err)
	}
}
