//go:build linux

package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// withoutLandlock executes its arguments where landlock_create_ruleset(2), which has the number 444 everywhere, does not
// exist, as in a kernel that was built or started without it: by a seccomp filter of four instructions.
const withoutLandlock = `import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
code = b''.join(struct.pack('HBBI', *i) for i in [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x50000 | 38), (0x06, 0, 0, 0x7fff0000)])
text = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack('HP', 4, ctypes.addressof(text)))
if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, program) != 0:
    sys.exit('no seccomp')
os.execv(sys.argv[1], sys.argv[1:])
`

// TestWithoutLandlock: what a section promises and this kernel cannot hold refuses the policy, with file and line, and
// nothing runs with less than it was promised.
func TestWithoutLandlock(t *testing.T) {
	python := testenv.NeedProgram(t, "python3", "python3")
	dir := t.TempDir()
	config := filepath.Join(dir, "r.conf")
	for path, text := range map[string]string{
		config:               "[DEFAULT]\nfilters_path=" + dir + "\nexec_dirs=/usr/bin,/bin\n",
		dir + "/one.filters": "[Filters]\nplain: CommandFilter, id, 65534:65534\nboxed: CommandFilter, true, 65534:65534\n[boxed]\nnice = 1\nread = /usr\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	explain := []string{binary(), "explain", "--untrusted-files", "--config", config, "id"}
	if out, err := exec.Command(explain[0], explain[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("with landlock: %v, %s", err, out)
	}
	out, err := exec.Command(python, append([]string{"-c", withoutLandlock}, explain...)...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 97 || !strings.HasPrefix(string(out), dir+`/one.filters:6: read of rule "boxed": `) {
		t.Errorf("without: %v, %s", err, out)
	}
}
