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
	"github.com/privhelper/privhelper/privsep/daemon/audit"
	root "github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// run is `privhelper run`: one command under the policy.
func run(args []string) int {
	f, err := parseFlags(args, "--config")
	if err != nil {
		return fail(exitNoCommand, "run: %v", err)
	}
	if len(f.args) == 0 {
		return fail(exitNoCommand, "run: no command: privhelper run [--config FILE] [--] CMD [ARG...]")
	}
	loaded, err := host.Load(f.config, host.Options{})
	if err != nil {
		return fail(exitBadConfig, "%v", err)
	}
	return one(loaded, f.args, func(code int, text string) int { return fail(code, "%s", text) })
}

// rootwrap is oslo-rootwrap's command line, in its words: services compare them.
func rootwrap(name string, args []string) int {
	complain := func(code int, text string) int {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, text)
		return code
	}
	if len(args) < 2 {
		return complain(exitNoCommand, "No command specified")
	}
	loaded, err := host.Load(args[0], host.Options{})
	var bad *filters.Error
	switch {
	case errors.As(err, &bad) && bad.Value:
		return complain(exitBadConfig, fmt.Sprintf("Incorrect value in %s: %s", args[0], bad.Msg))
	case err != nil:
		return complain(exitBadConfig, fmt.Sprintf("Incorrect configuration file: %s (%v)", args[0], err))
	}
	return one(loaded, args[1:], complain)
}

// one decides about a command line and becomes the command. Nothing is left to do afterwards, so nothing stays behind:
// streams, signals and exit code are the command's own.
func one(loaded *host.Loaded, argv []string, complain func(int, string) int) int {
	request := filters.Request{Argv: argv}
	v := loaded.Policy.Decide(loaded.Machine, request)
	defer v.Close()
	log, err := audit.Open(loaded.Config, nil)
	if err != nil {
		return complain(exitBadConfig, err.Error())
	}
	uid := uint32(os.Getuid())
	if err := log.Decision(audit.Entry{PID: os.Getppid(), UID: uid, Policy: loaded.Policy.Hash(), Request: request, Verdict: v}); err != nil {
		return complain(exitBadConfig, "the audit log cannot be written, so nothing runs: "+err.Error())
	}
	switch v.Outcome {
	case filters.NotExecutable:
		return complain(exitNotExecutable, fmt.Sprintf("Executable not found: %s (filter match = %s)", v.Rule.Exec, v.Rule.Name))
	case filters.Unauthorized:
		text := fmt.Sprintf("Unauthorized command: %s (no filter matched)", strings.Join(argv, " "))
		if loaded.Config.Semantics == filters.Strict && len(v.Near) > 0 {
			text += "; see: privhelper explain"
		}
		return complain(exitUnauthorized, text)
	}
	if v.Kill != nil {
		return root.SignalProcess(v, os.Stderr)
	}
	account, err := loaded.LookupUser(v.RunAs)
	if err != nil { // Oslo: Load refuses in Strict
		bad := filters.Error{File: v.Rule.File, Line: v.Rule.Line, Msg: "run_as: " + err.Error()}
		return complain(exitBadConfig, bad.Error())
	}
	return complain(exitNotExecutable, become(loaded, v, account).Error())
}

// become replaces this process by the command. It returns only with an error.
func become(loaded *host.Loaded, v filters.Verdict, account host.Account) error {
	if v.Stdin != "" {
		in, err := root.OpenRegular(v.Stdin)
		if err != nil {
			return err
		}
		if err := unix.Dup3(int(in.Fd()), 0, 0); err != nil {
			return os.NewSyscallError("dup3", err)
		}
	}
	if err := errors.Join(spawn.CloseOnExecFrom3(), lowerNofile(loaded.Config)); err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := spawn.DefaultSignals(); err != nil {
		return err
	}
	env := append(os.Environ(), v.Env...)
	if loaded.Config.Semantics == filters.Strict {
		env = root.Environment(account, v.Env)
		syscall.Umask(root.Umask)
		if err := os.Chdir("/"); err != nil {
			return err
		}
	}
	if err := confineSelf(loaded, v, account); err != nil {
		return err
	}
	return &os.PathError{Op: "execute", Path: v.Path, Err: syscall.Exec(v.Path, v.Argv, env)}
}

// confineSelf gives this process the bounding set, the groups and the ids of the command.
func confineSelf(loaded *host.Loaded, v filters.Verdict, account host.Account) error {
	cfg := loaded.Config
	if uid := os.Geteuid(); uid != 0 { // not the real one: under a setuid bit root is still to be given up
		if uid == account.UID && uid == os.Getuid() && !cfg.HasCapabilities {
			return nil // an ordinary user's command as that user: nothing to give up
		}
		return fmt.Errorf("a command that runs as %s needs root: start privhelper by sudo or doas", v.RunAs)
	}
	spec := confine.ThreadSpec{DropBounding: cfg.HasCapabilities}
	if account.UID == 0 && cfg.HasCapabilities {
		set, err := privsep.ParseCapabilities(strings.Join(cfg.Capabilities, ","))
		if err != nil {
			return err
		}
		spec.Bounding = set
	}
	if cfg.HasCapabilities || account.UID != 0 {
		if err := confine.ConfineThread(spec); err != nil {
			return err
		}
	}
	// Go's calls change every thread, the one that executes included. That the others have a wider bounding set does not
	// matter to them: all answer alike, and none but this one lives on.
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
