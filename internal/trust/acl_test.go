//go:build linux

package trust

import "testing"

func FuzzParseACL(f *testing.F) {
	f.Add([]byte{2, 0, 0, 0, 2, 0, 6, 0, 1, 0, 0, 0, 16, 0, 4, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := parseACL(b)
		if err == nil && len(entries) != (len(b)-4)/8 {
			t.Errorf("%d entries of %d bytes", len(entries), len(b))
		}
	})
}
