package pyre_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/filters/internal/pyre"
)

// TestLimit: patterns on which Python's re would look for the answer for years end within the limit, and refuse; those
// that Go's regexp takes need no limit. The texts are as long as one argument can be (MAX_ARG_STRLEN).
func TestLimit(t *testing.T) {
	const argument = 128 << 10
	for _, test := range []struct {
		pattern, text string
		limited       bool // regexp2 must look for it
	}{
		{`((a*)*)*b`, strings.Repeat("a", argument), false},
		{`(a|a)*b`, strings.Repeat("a", argument), false},
		{`(a+)+$`, strings.Repeat("a", argument) + "b", false},
		{`(?=a)(a+)+b`, strings.Repeat("a", argument), true},
		{`(?!b)(a|aa)+c`, strings.Repeat("a", argument), true},
		{`(a*)*\1b`, strings.Repeat("a", argument), true},
		{`(x+x+)+(?<!y)z`, strings.Repeat("x", argument), true},
		{`(?:(?:(?:a?){9}){9})+(?=b)c`, strings.Repeat("a", argument), true},
		{`(?=(a{1,900}){1,900}b)`, strings.Repeat("a", argument), true},
		{`(\w+\s*)+(?!x)!`, strings.Repeat("a ", argument/2), true},
		{`(.*?,){20}(?=P)P`, strings.Repeat("1,", argument/2), true},
	} {
		p, err := pyre.Compile(test.pattern, pyre.Whole)
		if err != nil {
			t.Fatal(err)
		}
		p.Match("x") // builds the engine
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		if p.Match(test.text) {
			t.Errorf("%s matches", test.pattern)
		}
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		// The engine looks at a clock that ticks every 100 ms; the rest is for a loaded machine.
		if took > time.Second && test.limited {
			t.Errorf("%s took %v", test.pattern, took)
		}
		t.Logf("%-32s %8v %4d MB", test.pattern, took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20)
	}
}
