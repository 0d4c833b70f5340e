package attack

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

var (
	write    = flag.Bool("write", false, "write docs/attacks.md")
	weakened = flag.Bool("weakened", false, "build the binary with each patch of weaken/ and expect its attacks to break through")
	attacked = flag.String("binary", "", "attack this binary, and no fresh build of it")
	points   = flag.Int("points", 1, "at how many times of each system call it fails or ends its process; make faults tries all")
	soaked   = flag.Duration("soak", 0, "for how long TestSoak works: make soak")
	runs     = flag.Int("runs", 12, "how many conversations TestLifetimes has, each with a fate of its own; make lifetimes has 1,000")
	clock    = flag.Bool("clock", false, "let TestClock set the clock of this machine, and suspend it: make test-clock")
	samples  = flag.String("samples", "", "where TestSoak writes what it counted, as CSV")
)

// base is where policy can be trusted when the suite runs as root: below /tmp nothing of policy is. Its bin holds the
// binary, and the programs that policies allow.
var base string

// programs are what this test binary is where it is called by their names.
var programs = testenv.Programs{"intruder": intruder, "caller": caller, "reuse": reuse, "asker": asker, "partial": runPartial}

func TestMain(m *testing.M) {
	programs.Become()
	flag.Parse()
	if os.Geteuid() != 0 {
		roads = []road{{"namespace", takeNamespace}}
	}
	os.Exit(testenv.InTrustedFolder("privhelper-attack", func(dir string) (int, error) {
		base = dir
		if err := errors.Join(install(), testenv.InstallSelf(bin(""), "intruder", "caller", "reuse", "asker", "partial"), os.WriteFile(bin("report"), []byte(report), 0o755), os.WriteFile(bin("logged"), []byte(logged), 0o755)); err != nil {
			return 1, err
		}
		return m.Run(), nil
	}))
}

// install puts the binary that is attacked where policies can be.
func install() error {
	if *attacked != "" {
		return copyFile(bin("privhelper"), *attacked)
	}
	return testenv.Build(bin("privhelper"), "../cmd/privhelper")
}

// bin is the path of a program that policies can allow.
func bin(name string) string { return filepath.Join(base, "bin", name) }

// report is a command that tells everything that it was given. It is bash's, which obeys more of its environment than any
// other interpreter; what it tells is of the process that was started, before that has changed anything.
const report = `#!/bin/bash
tr '\0' '\n' </proc/$$/environ | sed 's/^/env /'
readlink /proc/$$/cwd | sed 's/^/cwd /'
grep -E '^(Uid|Gid|Groups|Umask|Sig...|Cap...|NoNewPrivs):' /proc/$$/status
for fd in /proc/$$/fd/*; do echo -n "fd ${fd##*/} -> "; readlink $fd || echo; done
sed 's/^/limit /' /proc/$$/limits
echo "arguments $#"
`

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}
