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

// TestPython compares with what Python answered for patterns made at random (testdata/generate.py).
func TestPython(t *testing.T) {
	name := "testdata/cases.jsonl"
	if other := os.Getenv("PRIVHELPER_PYRE_CASES"); other != "" {
		name = other
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, bad := 0, 0
	type key struct {
		pattern string
		anchor  pyre.Anchor
	}
	type compiled struct {
		p   *pyre.Pattern
		err error
	}
	known := make(map[key]compiled) // the cases of one pattern follow each other
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var c struct {
			Pattern, Text   string
			Whole, Rootwrap *bool
		}
		if err := json.Unmarshal(testenv.PythonJSON(lines.Bytes()), &c); err != nil {
			t.Fatal(err)
		}
		pattern, text := testenv.PythonBytes(c.Pattern), testenv.PythonBytes(c.Text)
		if !utf8.ValidString(pattern) {
			continue // a policy file is UTF-8
		}
		for anchor, want := range map[pyre.Anchor]*bool{pyre.Whole: c.Whole, pyre.Rootwrap: c.Rootwrap} {
			k, ok := known[key{pattern, anchor}]
			if !ok {
				k.p, k.err = pyre.Compile(pattern, anchor)
				known[key{pattern, anchor}] = k
			}
			p, err := k.p, k.err
			if strings.Contains(pattern, `\N{`) {
				continue // refused on purpose
			}
			if (err != nil) != (want == nil) {
				t.Errorf("Compile(%q, %d) = %v, Python's answer is an error: %t", pattern, anchor, err, want == nil)
				bad++
				continue
			}
			if err == nil && p.Match(text) != *want {
				t.Errorf("%q on %q (anchor %d): %t, Python says %t", pattern, text, anchor, !*want, *want)
				bad++
			}
		}
		if bad > 30 {
			t.Fatal("and so on")
		}
	}
	if n < 1000 {
		t.Errorf("only %d cases", n)
	}
}
