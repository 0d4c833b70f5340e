package fence

import (
	"bytes"
	"strconv"
	"testing"
)

// A number that is read is the one that was written, byte by byte: nothing else is one.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0\n", "1\n", "9223372036854775806\n", "9223372036854775807\n", "+1\n", "1", "", "01\n", "1_0\n", "0x1\n", " 1\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := parse(text)
		if err == nil && !bytes.Equal(append(strconv.AppendInt(nil, n, 10), '\n'), text) {
			t.Errorf("%q reads as %d", text, n)
		}
		if err == nil && (n < 0 || n > greatest) {
			t.Errorf("%d is no token", n)
		}
		if n, err := parse(append(strconv.AppendInt(nil, int64(len(text)), 10), '\n')); err != nil || n != int64(len(text)) {
			t.Errorf("%d: %v", n, err)
		}
	})
}
