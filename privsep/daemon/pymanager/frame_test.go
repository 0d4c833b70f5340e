package pymanager

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadFrame(t *testing.T) {
	for _, size := range []int{0, 1, firstRead - 1, firstRead, firstRead + 1, 5 * firstRead} {
		var b bytes.Buffer
		text := bytes.Repeat([]byte("x"), size)
		if err := writeFrame(&b, text); err != nil {
			t.Fatal(err)
		}
		b.WriteString("next")
		taken := 0
		got, err := readFrame(&b, uint64(size), func(n int) error { taken += n; return nil })
		if err != nil || !bytes.Equal(got, text) || b.String() != "next" || taken != size {
			t.Errorf("%d bytes: %v, %d read, %d taken, rest %q", size, err, len(got), taken, b.String())
		}
	}
}

// A header promises 1 GiB: memory is taken for what comes, and not for what was promised.
func TestReadFramePromise(t *testing.T) {
	taken := 0
	_, err := readFrame(io.MultiReader(bytes.NewReader(header(1<<30)), strings.NewReader(strings.Repeat("x", 1000))), 1<<31,
		func(n int) error { taken += n; return nil })
	if err != io.ErrUnexpectedEOF || taken > firstRead {
		t.Errorf("%v, %d bytes taken", err, taken)
	}
	_, err = readFrame(bytes.NewReader(header(-1)), 1<<31, func(int) error { t.Error("memory is taken"); return nil })
	if want := (tooLargeError{1<<64 - 1, 1 << 31}); !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
	if _, err := readFrame(bytes.NewReader(nil), 1, nil); err != io.EOF {
		t.Errorf("nothing: %v", err)
	}
	if _, err := readFrame(bytes.NewReader(header(1)[:7]), 1, nil); err != io.ErrUnexpectedEOF {
		t.Errorf("half a header: %v", err)
	}
	refused := errors.New("refused")
	if _, err := readFrame(bytes.NewReader(append(header(1), 'x')), 1, func(int) error { return refused }); err != refused {
		t.Errorf("no memory: %v", err)
	}
}
