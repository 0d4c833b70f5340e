package privseptest_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/privseptest"
)

func TestFiles(t *testing.T) {
	w := newWorld(daemon.Options{})
	c := privseptest.Join(t, w.d, jobs)
	mine, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	before := descriptors(t)
	reply, err := swap.Call(t.Context(), c, privsep.File{File: mine})
	if err != nil {
		t.Fatal(err)
	}
	if b := make([]byte, 1); reply.File == nil {
		t.Error("no file came back")
	} else if _, err := reply.Read(b); err != nil {
		t.Errorf("the file that came back: %v", err)
	}
	reply.Close()
	got := <-w.arg
	settles(t, "an argument is closed", func() bool { _, err := got.Stat(); return errors.Is(err, fs.ErrClosed) })
	if _, err := mine.Stat(); err != nil {
		t.Errorf("the caller's file: %v", err)
	}
	if _, err := keep.Call(t.Context(), c, privsep.File{File: mine}); err != nil {
		t.Fatal(err)
	}
	kept := <-w.arg
	if n, err := nested.Call(t.Context(), c, privsep.File{File: mine}); err != nil || n != 42 {
		t.Errorf("nested: %d, %v", n, err)
	}
	keptInPlace := <-w.arg
	<-w.arg
	for _, f := range []*os.File{kept, keptInPlace} {
		if _, err := f.Stat(); err != nil {
			t.Errorf("a detached file: %v", err)
		}
		f.Close()
	}
	closed, _ := os.Open("/dev/null")
	closed.Close()
	var call *privsep.CallError
	if _, err := swap.Call(t.Context(), c, privsep.File{File: closed}); !errors.As(err, &call) || call.Outcome != privsep.NotSent {
		t.Errorf("a closed file: %v", err)
	}
	settles(t, "descriptors are as before", func() bool { return descriptors(t) == before })
}
