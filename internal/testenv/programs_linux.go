package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Programs are what a test binary is where it is called by their names: commands for policies to allow, for instance. An
// error goes to standard error and ends the program with 1.
type Programs map[string]func(args []string) error

// Become makes this process the program that it was called by, and does not return then. TestMain calls it first.
func (p Programs) Become() {
	program := p[filepath.Base(os.Args[0])]
	if program == nil {
		return
	}
	if err := program(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// InTrustedFolder makes a folder in which policy can be trusted where this process is root, with a folder bin in it, runs,
// removes the folder and returns the exit code of run: below /tmp, which others write, nothing of policy is trusted. Umask
// is 022 from then on, since under a umask of 0 the files of a test would be others' to write.
func InTrustedFolder(name string, run func(dir string) (code int, err error)) (code int) {
	syscall.Umask(0o022)
	code, err := inTrustedFolder(name, run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func inTrustedFolder(name string, run func(dir string) (int, error)) (code int, err error) {
	parent := ""
	if os.Geteuid() == 0 {
		parent = "/var/lib"
	}
	dir, err := os.MkdirTemp(parent, name+"-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // MkdirTemp's 0700 keeps a run_as of nobody out
		return 1, err
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		return 1, err
	}
	return run(dir)
}

// InstallSelf copies this test binary into a folder, by each of the names: a link into the folder of go test could be
// entered by nobody, and trusted by none.
func InstallSelf(dir string, names ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := copyProgram(filepath.Join(dir, name), self); err != nil {
			return err
		}
	}
	return nil
}

// Build makes the static binary of a package as it ships, with further flags of go build.
func Build(to, pkg string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", to}, flags...), pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}
