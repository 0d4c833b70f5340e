package sink

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A writer takes nothing until it is let go.
type stuck struct {
	free chan struct{}
	mu   sync.Mutex
	bytes.Buffer
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.free
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.Write(b)
}

// Whoever writes a line waits once, and for no later one, until the sink goes on. What had no room is counted, and said.
func TestStuck(t *testing.T) {
	out := &stuck{free: make(chan struct{})}
	s := To(out)
	line := []byte(strings.Repeat("x", 8<<10))
	begun := time.Now()
	s.Write([]byte("first"), Info)
	if waited := time.Since(begun); waited < patience {
		t.Errorf("waited %v for a sink that takes nothing", waited)
	}
	const lines = 10_000
	begun = time.Now()
	for range lines {
		s.Write(line, Info)
		s.Post(line, Info)
	}
	if waited := time.Since(begun); waited > lines*patience/100 {
		t.Errorf("%d lines took %v", lines, waited)
	}
	lost := s.Lost()
	if lost < uint64(2*lines-maxWaiting/len(line)) || lost >= 2*lines {
		t.Errorf("%d of %d lines are lost", lost, 2*lines)
	}
	close(out.free)
	tries := 0
	for { // as long as there is no room it is lost like all others
		tries++
		s.Write([]byte("last"), Info)
		now := s.Lost()
		if now == lost {
			break
		}
		lost = now
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	all := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	whole, said := 0, uint64(0)
	for _, l := range all {
		if _, after, found := strings.Cut(l, `"lines": `); found {
			var n uint64
			if _, err := fmt.Sscanf(after, "%d", &n); err != nil {
				t.Error(err)
			}
			said += n
		} else if l == string(line) {
			whole++
		}
	}
	if all[0] != "first" || all[len(all)-1] != "last" || uint64(whole)+said != uint64(2*lines+tries-1) || said != lost {
		t.Errorf("%d whole lines, %d said to be lost, %d counted; from %.20q to %.20q", whole, said, lost, all[0], all[len(all)-1])
	}
}

// Close does not wait for ever, and a nil Sink and an empty one take all and keep nothing.
func TestClose(t *testing.T) {
	out := &stuck{free: make(chan struct{})}
	defer close(out.free)
	s := To(out)
	s.Post([]byte("x"), Info)
	begun := time.Now()
	if err := s.Close(); err == nil || time.Since(begun) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	var none *Sink
	for _, s := range []*Sink{none, {}, To(nil)} {
		s.Write([]byte("x"), Error)
		s.Post([]byte("x"), Error)
		s.Reopen()
		if err := s.Close(); err != nil || s.Lost() != 0 {
			t.Errorf("%v, %d lost", err, s.Lost())
		}
	}
}

// full takes what it has room for.
type full struct {
	bytes.Buffer
	room int
}

func (f *full) Write(b []byte) (int, error) {
	if len(b) <= f.room {
		f.room -= len(b)
		return f.Buffer.Write(b)
	}
	n, _ := f.Buffer.Write(b[:f.room])
	f.room = 0
	return n, syscall.ENOSPC
}

// Lines that two write at once, and one that a full disk tore, are lines of their own.
func TestLinesAreWhole(t *testing.T) {
	out := &full{room: 1 << 20}
	s := To(out)
	var wait sync.WaitGroup
	for n := range 16 {
		wait.Go(func() {
			for range 50 {
				s.Write(fmt.Appendf(nil, "line %02d", n), Info)
			}
		})
	}
	wait.Wait()
	for line := range strings.Lines(out.String()) {
		if len(line) != len("line 00\n") {
			t.Fatalf("%q", line)
		}
	}
	out.Reset()
	out.room = 3
	s.Write([]byte("torn"), Info)
	out.room = 1 << 20
	s.Write([]byte("whole"), Info)
	if lines := strings.Split(out.String(), "\n"); len(lines) != 4 || lines[0] != "tor" || !strings.Contains(lines[1], `"lines": 1}`) || lines[2] != "whole" {
		t.Errorf("%q", lines)
	}
}

func BenchmarkWrite(b *testing.B) {
	s := To(io.Discard)
	line := []byte(strings.Repeat("x", 400))
	for b.Loop() {
		s.Write(line, Info)
	}
}
