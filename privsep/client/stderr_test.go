package client

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// TestStderrText: what is kept and what follows does not depend on how the bytes arrive, and is bounded.
func TestStderrText(t *testing.T) {
	var many []string
	for i := range maxLines + 3 {
		many = append(many, fmt.Sprint("line ", i))
	}
	for name, test := range map[string]struct {
		text    string
		last    []string // as an error shows them
		follows []string // as the log gets them
	}{
		"nothing":           {"", nil, nil},
		"lines":             {"a\nb\n", []string{"a", "b"}, []string{"a", "b"}},
		"empty lines":       {"\n\na\n\n", []string{"a"}, []string{"a"}},
		"no newline at end": {"a\nb", []string{"a", "b"}, []string{"a", "b"}},
		"many":              {strings.Join(many, "\n"), many[3:], many},
		"a long line": {strings.Repeat("x", maxLine) + "\nb\n",
			[]string{strings.Repeat("x", maxWords) + "…", "b"}, []string{strings.Repeat("x", maxLine), "b"}},
		"a longer line": {strings.Repeat("x", maxLine+7) + "\nb\n",
			[]string{strings.Repeat("x", maxWords) + "…", "b"}, []string{strings.Repeat("x", maxLine) + "… (7 bytes more)", "b"}},
	} {
		for how, reader := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "in halves": iotest.HalfReader, "byte by byte": iotest.OneByteReader} {
			t.Run(name+" "+how, func(t *testing.T) {
				var text stderrText
				var follows []string
				text.onLine(func(line string) { follows = append(follows, line) })
				text.read(reader(strings.NewReader(test.text)))
				if last := text.last(); !slices.Equal(last, test.last) {
					t.Errorf("last: %.200q", last)
				}
				if !slices.Equal(follows, test.follows) {
					t.Errorf("follows: %.200q", follows)
				}
			})
		}
	}
}

// TestStderrUnfinished: a prompt shows before its line ends, and a line without end takes no memory.
func TestStderrUnfinished(t *testing.T) {
	var text stderrText
	text.take([]byte("Password: "))
	if last := text.last(); !slices.Equal(last, []string{"Password: "}) {
		t.Errorf("%q", last)
	}
	for range 1000 {
		text.take(make([]byte, 4096))
	}
	if held := cap(text.partial); held > 2*maxLine {
		t.Errorf("%d bytes held", held)
	}
}
