package processutils

import (
	"os"
	"testing"
)

func TestReadStat(t *testing.T) {
	p, ok := readStat(os.Getpid())
	if !ok || p.pid != os.Getpid() || p.ppid != os.Getppid() || p.start == 0 || p.threads < 1 || p.dead() {
		t.Errorf("%+v, %v", p, ok)
	}
	if p, ok := readStat(1 << 30); ok {
		t.Errorf("of nobody: %+v", p)
	}
	// A program chooses its name: blanks, parentheses and digits in it are no fields.
	const rest = " Z 7 8 9 0 -1 4228 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0\n"
	if p, ok := parseStat(5, []byte("5 (a) S 1 2 (b) 3)"+rest)); !ok || p.ppid != 7 || p.group != 8 || p.session != 9 || p.start != 12345 || !p.dead() {
		t.Errorf("%+v, %v", p, ok)
	}
}

func FuzzParseStat(f *testing.F) {
	own, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Add([]byte("1 (x"))
	f.Add([]byte(") S 1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, ok := parseStat(7, text); ok && p.pid != 7 {
			t.Errorf("%+v", p)
		}
	})
}
