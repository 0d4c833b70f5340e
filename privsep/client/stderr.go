package client

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
)

// The bounds of what is kept of a helper's standard error.
const (
	maxLine  = 64 << 10 // bytes; the rest of a longer line is counted, so that no piece of it passes for a line
	maxLines = 20       // that go into the error of a start
	maxWords = 1 << 10  // bytes of each of these
)

// stderrText is what a helper has written to its standard error: its last lines, and one that is not ended, such as the
// prompt for a password.
type stderrText struct {
	mu      sync.Mutex
	lines   []string
	partial []byte
	over    int          // bytes of the unfinished line that are not in partial
	follow  func(string) // called with each line from now on; nil: not yet
}

// read takes all that comes from r.
func (t *stderrText) read(r io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		t.take(buf[:n])
		if err != nil {
			t.take([]byte{'\n'})
			return
		}
	}
}

func (t *stderrText) take(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		fits := line[:min(len(line), maxLine-len(t.partial))]
		t.partial = append(t.partial, fits...)
		t.over += len(line) - len(fits)
		if !ended {
			return
		}
		if len(t.partial) > 0 {
			t.add(t.unfinished())
		}
		t.partial, t.over, b = nil, 0, rest
	}
}

func (t *stderrText) unfinished() string {
	if t.over > 0 {
		return fmt.Sprintf("%s… (%d bytes more)", t.partial, t.over)
	}
	return string(t.partial)
}

func (t *stderrText) add(line string) {
	if len(t.lines) == maxLines {
		t.lines = slices.Delete(t.lines, 0, 1)
	}
	t.lines = append(t.lines, words(line))
	if t.follow != nil {
		t.follow(line)
	}
}

// onLine sets the function that is called with each line from now on. It must not wait.
func (t *stderrText) onLine(follow func(string)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.follow = follow
}

// last returns the last lines.
func (t *stderrText) last() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := slices.Clone(t.lines)
	if len(t.partial) > 0 {
		lines = append(lines, words(t.unfinished()))
	}
	return lines
}

// words is as much of a line as an error shows.
func words(line string) string {
	if len(line) > maxWords {
		return line[:maxWords] + "…"
	}
	return line
}
