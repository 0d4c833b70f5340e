package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
	root "github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// execute runs what the verdict names. This process becomes the command wherever nothing is left to do afterwards:
// nothing stays behind then, and streams, signals and exit code are the command's own. It stays as the command's parent,
// and returns its exit code, where there is a terminal that the command must not have.
func execute(loaded *host.Loaded, v filters.Verdict, account host.Account) (int, error) {
	if v.Stdin != "" {
		in, err := root.OpenRegular(v.Stdin)
		if err != nil {
			return 0, err
		}
		if err := unix.Dup3(int(in.Fd()), 0, 0); err != nil {
			return 0, os.NewSyscallError("dup3", err)
		}
	}
	if err := errors.Join(spawn.CloseOnExecFrom3(), lowerNofile(loaded.Config)); err != nil {
		return 0, err
	}
	runtime.LockOSThread()
	if err := spawn.DefaultSignals(); err != nil {
		return 0, err
	}
	env := append(os.Environ(), v.Env...)
	if loaded.Config.Semantics == filters.Strict {
		env = root.Environment(account, v.Env)
		syscall.Umask(root.Umask)
		if err := os.Chdir("/"); err != nil {
			return 0, err
		}
	}
	confined, err := confineSelf(loaded.Config, v, account)
	if err != nil {
		return 0, err
	}
	if confined && keepsTerminal(account) {
		return attend(v, account, env)
	}
	if confined {
		if err := becomeUser(account); err != nil {
			return 0, err
		}
	}
	return 0, &os.PathError{Op: "execute", Path: v.Path, Err: syscall.Exec(v.Path, v.Argv, env)}
}

// confineSelf gives the calling thread, and so what it executes or forks, the bounding set of the command. It reports
// whether this process is root's and the ids are still to be changed.
func confineSelf(cfg filters.Config, v filters.Verdict, account host.Account) (bool, error) {
	if uid := os.Geteuid(); uid != 0 { // not the real one: under a setuid bit root is still to be given up
		if uid == account.UID && uid == os.Getuid() && !cfg.HasCapabilities {
			return false, nil // an ordinary user's command as that user: nothing to give up
		}
		return false, fmt.Errorf("a command that runs as %s needs root: start privhelper by sudo or doas", v.RunAs)
	}
	spec := confine.ThreadSpec{DropBounding: cfg.HasCapabilities}
	if account.UID == 0 && cfg.HasCapabilities {
		set, err := privsep.ParseCapabilities(strings.Join(cfg.Capabilities, ","))
		if err != nil {
			return false, err
		}
		spec.Bounding = set
	}
	if cfg.HasCapabilities || account.UID != 0 { // also empties the inheritable and the ambient set
		if err := confine.ConfineThread(spec); err != nil {
			return false, err
		}
	}
	return true, nil
}

// becomeUser gives this process the groups and the ids of the command. Go's calls change every thread, the one that
// executes included. That the others have a wider bounding set does not matter to them: all answer alike, and none but
// this one lives on.
func becomeUser(account host.Account) error {
	if err := syscall.Setgroups(account.Groups); err != nil {
		return fmt.Errorf("become %s: %w", account.Name, err)
	}
	if err := syscall.Setgid(account.GID); err != nil {
		return fmt.Errorf("become %s: %w", account.Name, err)
	}
	if err := syscall.Setuid(account.UID); err != nil {
		return fmt.Errorf("become %s: %w", account.Name, err)
	}
	return nil
}

// lowerNofile lowers the soft limit of open files as oslo.rootwrap does, and leaves the hard one.
func lowerNofile(cfg filters.Config) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	if cfg.RlimitNofile < 0 || now.Cur <= uint64(cfg.RlimitNofile) {
		return nil
	}
	now.Cur = uint64(cfg.RlimitNofile)
	return os.NewSyscallError("setrlimit", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &now))
}
