package mask_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/mask"
	"github.com/privhelper/privhelper/internal/testenv"
)

// Whatever mask_password masks, Text masks too: its own tests' texts give the same text, and a secret that it hides in any
// form under any of its names is hidden here.
func TestTextAgainstOslo(t *testing.T) {
	python := testenv.NeedProgram(t, "/usr/bin/python3", "python3-oslo.utils")
	if exec.Command(python, "-c", "import oslo_utils").Run() != nil {
		testenv.Miss(t, "needs oslo.utils (Debian package python3-oslo.utils)")
	}
	lines := testenv.Output(t, exec.Command(python, "testdata/oslo.py"))
	hidden := 0
	for line := range bytes.Lines(lines) {
		var c struct{ In, Out string }
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		got := mask.Masker{}.Text(c.In)
		if !strings.Contains(c.In, "SECRET") {
			if want := (mask.Masker{}).Text(c.Out); got != want { // passcode='' is a name that it misses
				t.Errorf("Text(%q)\n   = %q\nwant %q", c.In, got, want)
			}
			continue
		}
		if strings.Contains(c.Out, "SECRET") {
			continue // mask_password misses it
		}
		hidden++
		if strings.Contains(got, "SECRET") {
			t.Errorf("Text(%q) = %q, where mask_password gives %q", c.In, got, c.Out)
		}
	}
	if hidden < 1000 {
		t.Errorf("mask_password hid %d secrets only: the comparison shows nothing", hidden)
	}
}
