package attack

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

var (
	write    = flag.Bool("write", false, "write docs/attacks.md")
	weakened = flag.Bool("weakened", false, "build the binary with each patch of weaken/ and expect its attacks to break through")
	attacked = flag.String("binary", "", "attack this binary, and no fresh build of it")
)

// base is where policy can be trusted when the suite runs as root: below /tmp nothing of policy is. Its bin holds the
// binary, and the programs that policies allow.
var base string

// programs are what this test binary is where it is called by their names.
var programs = map[string]func(args []string) error{"intruder": intruder}

func TestMain(m *testing.M) {
	if program := programs[filepath.Base(os.Args[0])]; program != nil {
		if err := program(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	syscall.Umask(0o022)
	code, err := inBase(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// inBase makes base and what belongs there, runs, and removes base.
func inBase(run func() int) (code int, err error) {
	parent := ""
	if os.Geteuid() == 0 {
		parent = "/var/lib"
	}
	if base, err = os.MkdirTemp(parent, "privhelper-attack-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	if err := errors.Join(os.Chmod(base, 0o755), os.Mkdir(bin(""), 0o755)); err != nil {
		return 1, err
	}
	if *attacked != "" {
		err = copyFile(bin("privhelper"), *attacked)
	} else {
		err = build(bin("privhelper"))
	}
	if err := errors.Join(err, installPrograms()); err != nil {
		return 1, err
	}
	return run(), nil
}

// bin is the path of a program that policies can allow.
func bin(name string) string { return filepath.Join(base, "bin", name) }

// build makes the shipping build, with further flags.
func build(to string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", to}, flags...)
	cmd := exec.Command("go", append(args, "../cmd/privhelper")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

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

// installPrograms copies this binary: a link into the folder of go test could be entered by nobody, and trusted by none.
func installPrograms() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for name := range programs {
		if err := copyFile(bin(name), self); err != nil {
			return err
		}
	}
	return os.WriteFile(bin("report"), []byte(report), 0o755)
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}
