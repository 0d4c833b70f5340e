package model

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

func TestModels(t *testing.T) {
	spin := testenv.NeedProgram(t, "spin", "spin")
	gcc := testenv.NeedProgram(t, "gcc", "gcc")
	for _, model := range []struct {
		file     string
		compiler string   // what is searched for
		search   []string // and how
		without  string   // a safeguard; "" for the scheme as it is
		finds    string   // the error; "" for none
	}{
		{"locks.pml", "-DSAFETY", nil, "", ""},
		// A holder of the one lock who runs flock(1) on the same file waits for us, and we for it.
		{"locks.pml", "-DSAFETY", nil, "GIVING_BACK", "invalid end state"},
		// Who has opened a file that was removed meanwhile holds a lock that nobody else asks for.
		{"locks.pml", "-DSAFETY", nil, "INODE_CHECK", "assertion violated (inside==1)"},
		// A wait that was cancelled succeeds later, and nobody gives the lock back.
		{"locks.pml", "-DSAFETY", nil, "ADOPTION", "assertion violated"},

		{"call.pml", "-O1", []string{"-a", "-f"}, "", ""},
		// What oslo.rootwrap's client does after a lost connection.
		{"call.pml", "-O1", []string{"-a", "-f"}, "AT_MOST_ONCE", "assertion violated (started==1)"},
		{"call.pml", "-O1", []string{"-a", "-f"}, "PARENT_DEATH", "acceptance cycle"},
		{"call.pml", "-O1", []string{"-a", "-f"}, "CLIENT_DEATH", "acceptance cycle"},
	} {
		t.Run(model.file+" "+model.without, func(t *testing.T) {
			file, err := filepath.Abs(model.file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			in := func(program string, args ...string) string {
				t.Helper()
				cmd := exec.Command(program, args...)
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", program, err, out)
				}
				return string(out)
			}
			in(spin, "-a", "-DWITHOUT_"+model.without, file)
			in(gcc, model.compiler, "-o", "pan", "pan.c")
			out := in(filepath.Join(dir, "pan"), append(model.search, "-m100000")...)
			complete := !strings.Contains(out, "search not completed") && !strings.Contains(out, "max search depth too small")
			switch {
			case model.finds == "" && (!strings.Contains(out, "errors: 0") || !complete):
				t.Errorf("the scheme fails, or was not searched whole:\n%s", out)
			case model.finds != "" && !strings.Contains(out, model.finds):
				t.Errorf("without %s the scheme holds: the model sees nothing\n%s", model.without, out)
			}
		})
	}
}
