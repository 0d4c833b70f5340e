package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon/audit"
	"github.com/privhelper/privhelper/privsep/daemon/fence"
	root "github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// run is `privhelper run`: one command under the policy.
func run(args []string) int {
	if values, argv, ok := forService(args); ok {
		return runByService(values, argv)
	}
	f, err := parseFlags(args, "--config --fence-token")
	if err != nil {
		return fail(exitNoCommand, "run: %v", err)
	}
	if len(f.args) == 0 {
		return fail(exitNoCommand, "run: no command: privhelper run [--config FILE] [--fence-token N] [--] CMD [ARG...]")
	}
	loaded, err := host.Load(f.config, host.Options{})
	if err != nil {
		return fail(exitBadConfig, "%v", err)
	}
	return one(loaded, f.args, f.token, func(code int, text string) int { return fail(code, "%s", text) })
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
	return one(loaded, args[1:], 0, complain)
}

// one decides about a command line and acts on the verdict, and on nothing else. It returns the exit code of what it did
// itself; a process that became the command returns nothing.
func one(loaded *host.Loaded, argv []string, token int64, complain func(int, string) int) int {
	if os.Geteuid() == 0 { // before the log is written: the caller's may be that no file has a byte
		if err := spawn.OwnLimits(); err != nil {
			return complain(exitNotExecutable, err.Error())
		}
	}
	request := filters.Request{Argv: argv, Client: caller(loaded)}
	v := loaded.Policy.Decide(loaded.Machine, request)
	defer v.Close()
	loaded.Policy.Explain(loaded.Machine, request, &v)
	log, err := audit.Open(loaded.Config, nil)
	if err != nil {
		return complain(exitBadConfig, err.Error())
	}
	entry := audit.Entry{PID: os.Getppid(), UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Policy: loaded.Policy.Hash(), Request: request, Verdict: v}
	var p *root.Prepared
	held := &root.Held{}
	var noAccount error
	if v.Outcome == filters.Match && v.Kill == nil {
		if _, noAccount = loaded.AccountOf(v.Rule); noAccount != nil { // in Oslo only: in Strict Load refuses
			entry.Err = noAccount
		} else if p, held, entry.Err = prepare(loaded, v); entry.Err == nil {
			defer p.Close()
			entry.Capabilities, entry.Locks, entry.Waited = &p.Capabilities, v.Rule.Section.Locks, held.Time()
		}
	}
	if v.Outcome == filters.Match && entry.Err == nil {
		entry.Fence, entry.Token = v.Rule.Section.Fence, token
		entry.Err = enterFence(loaded, v.Rule, token, held)
	}
	log.Decision(entry)
	var fenced *fence.Error
	switch {
	case v.Outcome == filters.NotExecutable:
		return complain(exitNotExecutable, fmt.Sprintf("Executable not found: %s (filter match = %s)", v.Rule.Exec, v.Rule.Name))
	case v.Outcome != filters.Match:
		text := fmt.Sprintf("Unauthorized command: %s (no filter matched)", strings.Join(argv, " "))
		if loaded.Config.Semantics == filters.Strict && len(v.Near) > 0 {
			text += "; see: privhelper explain"
		}
		return complain(exitUnauthorized, text)
	case noAccount != nil:
		bad := filters.Error{File: v.Rule.File, Line: v.Rule.Line, Msg: "run_as: " + noAccount.Error()}
		return complain(exitBadConfig, bad.Error())
	case errors.As(entry.Err, &fenced) && fenced.Refusal("").Code == privsep.CodeFenced:
		return complain(exitUnauthorized, fmt.Sprintf("Unauthorized command: %s (rule %s: %v)", strings.Join(argv, " "), v.Rule.Name, fenced))
	case entry.Err != nil:
		return complain(exitNotExecutable, entry.Err.Error())
	case v.Kill != nil:
		code := root.SignalProcess(v, os.Stderr)
		if err := held.Release(); err != nil {
			return complain(code, err.Error())
		}
		return code
	}
	begin := time.Now()
	status, err := execute(loaded, v.Rule, p)
	err = errors.Join(err, held.Release())
	if err != nil && status == (spawn.Status{}) {
		log.NotStarted(entry, err)
		if bad := (*filters.Error)(nil); errors.As(err, &bad) {
			return complain(exitBadConfig, err.Error())
		}
		return complain(exitNotExecutable, err.Error())
	}
	if v.Rule.Section.FullAudit {
		log.End(entry, audit.End{Result: root.Result(0, v.Rule.Name, status), Took: time.Since(begin), Err: err})
	}
	code := status.Code
	if status.Signal != 0 {
		code = 128 + int(status.Signal)
	}
	if err != nil {
		return complain(code, err.Error())
	}
	interrupted(status.Signal)
	return code
}
