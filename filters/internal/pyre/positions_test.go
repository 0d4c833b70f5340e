package pyre_test

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/privhelper/privhelper/filters/internal/pyre"
	"github.com/privhelper/privhelper/internal/testenv"
)

// FuzzPositions: what is matched without an engine is what Go's regexp matches, for every pattern and text.
func FuzzPositions(f *testing.F) {
	cases, err := os.Open("testdata/cases.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	defer cases.Close()
	lines := bufio.NewScanner(cases)
	for n := 0; lines.Scan(); n++ {
		var c struct{ Pattern, Text string }
		if err := json.Unmarshal(testenv.PythonJSON(lines.Bytes()), &c); err != nil {
			f.Fatal(err)
		}
		if n%17 == 0 {
			f.Add(testenv.PythonBytes(c.Pattern), testenv.PythonBytes(c.Text))
		}
	}
	for pattern, text := range map[string]string{
		`/dev/[a-z]+(/[a-z]+)*`: "/dev/mapper/a", `(a?b{2,3}|c){2,}`: "bbcbbb", `((a|)*b?)*\w{0,40}`: "aab\u00e9\n", `a^b`: "ab", `(?i)k+`: "\u212aK",
		`(()){0,9}x?\Z`: "x\n", `[^/]*$`: "\xff\n",
	} {
		f.Add(pattern, text)
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) {
			return
		}
		for _, anchor := range []pyre.Anchor{pyre.Whole, pyre.Rootwrap} {
			p, err := pyre.Compile(pattern, anchor)
			if err != nil {
				continue
			}
			for _, text := range []string{text, text + "\n", text + text, strings.Trim(pattern, `^$()?*+`)} {
				if positions, engine, ok := pyre.Both(p, text); ok && positions != engine {
					t.Errorf("%q on %q (anchor %d): positions say %t, the engine %t", pattern, text, anchor, positions, engine)
				}
			}
		}
	})
}

// TestPositions counts how much of what Python was asked they answer, so that they do not fall out of use unseen.
func TestPositions(t *testing.T) {
	for pattern, want := range map[string]bool{
		`\d+`: true, `.*`: true, `/dev/[a-z]+(/[a-z]+)*`: true, `(?:up|down)`: true, `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`: true,
		`a{64}`: true, `a{65}`: false, `a(?=b)b`: false, `(a)\1`: false, `a\b.`: false, `(?>a|ab)c`: false, `a++b`: false,
	} {
		p, err := pyre.Compile(pattern, pyre.Whole)
		if err != nil {
			t.Fatal(err)
		}
		if got := pyre.HasPositions(p); got != want {
			t.Errorf("%s: %t", pattern, got)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, c := range []struct{ name, pattern, text string }{
		{"positions", `/dev/[a-z]+(/[a-z]+)*`, "/dev/mapper/a"}, {"uuid", `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`, "01234567-89ab-cdef-0123-456789abcdef"},
		{"regexp", `a{65}`, strings.Repeat("a", 65)}, {"regexp2", `/etc/(?!.*\.\.).*`, "/etc/hosts"},
	} {
		p, err := pyre.Compile(c.pattern, pyre.Whole)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if !p.Match(c.text) {
					b.Fatal("no match")
				}
			}
		})
	}
}
