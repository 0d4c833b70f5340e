package filters

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kill says that the helper itself sends a signal to a process it holds open, and executes nothing.
type Kill struct {
	Signal  int // SIGTERM where the caller named none
	Process Process
}

// kill allows signals to processes that run a certain program.
type kill struct {
	program string
	signals []string // as the caller must write them: "-9", "-HUP"
}

func buildKill(b *builder, r *Rule) error {
	r.Exec, r.RunAs, r.Args = "/bin/kill", r.Args[0], r.Args[1:]
	k := &kill{}
	r.kind = k
	if len(r.Args) > 0 {
		k.program, k.signals = r.Args[0], r.Args[1:]
	}
	if b.semantics == Oslo {
		return nil
	}
	switch {
	case k.program == "":
		return b.fail(r, BadLine, "rule %q can never match: it names no program", r.Name)
	case !isAbs(k.program) && basename(k.program) != k.program:
		return b.fail(r, BadLine, "rule %q: program %q is neither an absolute path nor a bare name", r.Name, k.program)
	case r.RunAs != "root":
		return b.fail(r, KillRace, "rule %q: the helper sends signals itself, as root: write root as run_as", r.Name)
	}
	for _, s := range k.signals {
		if _, ok := signalNumber(s); !ok {
			return b.fail(r, BadLine, "rule %q: %q is no signal: write it as kill's first argument, such as -9 or -HUP", r.Name, s)
		}
	}
	return nil
}

func (k *kill) match(q *query, args []string, out *Verdict) bool {
	if args[0] != "kill" {
		return false
	}
	pid := ""
	switch {
	case len(args) == 3 && slices.Contains(k.signals, args[1]):
		pid = args[2]
	case len(args) == 2 && len(k.signals) == 0:
		pid = args[1]
	default:
		if q.explain {
			if len(k.signals) > 0 {
				q.no("", "the rule demands one of the signals %s, and one process", strings.Join(k.signals, ", "))
			} else {
				q.no("", "the rule demands one process and no signal")
			}
		}
		return false
	}
	out.Argv = args
	if q.policy.semantics == Oslo {
		return k.matchNames(q, pid)
	}
	return k.matchProcess(q, pid, args, out)
}

// matchNames is rootwrap's way: the link's text against the rule's.
func (k *kill) matchNames(q *query, pid string) bool {
	n, ok := pyInt(pid)
	if !ok || k.program == "" {
		return false
	}
	path, err := q.machine.Program(n)
	if err != nil || path == "" {
		return false
	}
	if isAbs(k.program) {
		ok = k.program == path
	} else {
		dir, name := "", path
		if i := strings.LastIndexByte(path, '/'); i >= 0 {
			dir, name = path[:max(i, 1)], path[i+1:]
		}
		ok = isAbs(path) && k.program == name && slices.Contains(strings.Split(DefaultPath, ":"), dir)
	}
	if !ok {
		return false
	}
	q.unsafe(KillRace)
	if _, err := processID(pid); err != nil {
		q.unsafe(KillPid)
	}
	return true
}

// matchProcess opens the process before it asks what it runs, and hands it on open.
func (k *kill) matchProcess(q *query, pid string, args []string, out *Verdict) bool {
	n, err := processID(pid)
	if err != nil {
		if q.explain {
			q.no(KillPid, "%s", err.Error()) // the argument itself is wrong, and not the machine's answer
		}
		return false
	}
	p, err := q.machine.Process(n)
	if err != nil {
		if q.explain {
			q.no("", "process %d does not run %s: %v", n, k.program, err) // as below: whether there is one is not for the client
		}
		return false
	}
	programs := []string{k.program}
	if !isAbs(k.program) {
		programs = programs[:0]
		for dir := range strings.SplitSeq(DefaultPath, ":") {
			programs = append(programs, joined(dir, k.program))
		}
	}
	for _, path := range programs {
		if err = p.Runs(path); err == nil {
			out.Kill = &Kill{Signal: 15, Process: p}
			if len(args) == 3 {
				out.Kill.Signal, _ = signalNumber(args[1])
			}
			return true
		}
	}
	_ = p.Close() // nothing was written through it
	if q.explain {
		q.no(KillRace, "process %d does not run %s: %v", n, k.program, err)
	}
	return false
}

// processID accepts ASCII digits alone, and neither 0 (one's own group) nor 1 (init).
func processID(s string) (int, error) {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, fmt.Errorf("%.20q is not a process id", s)
		}
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n <= 1 || len(s) > 10 { // the rest would be zeros, and thousands of them int() refuses
		return 0, fmt.Errorf("%.20q is not the id of a process that may be signalled", s)
	}
	return int(n), nil
}

func (*kill) keys(r *Rule, ix *index) { ix.name("kill", r) }

// signalNames are Linux's on the architectures Go runs on, but for MIPS, by their numbers.
var signalNames = strings.Fields(`
	0 HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG
	XCPU XFSZ VTALRM PROF WINCH IO PWR SYS`)

// signalNumber reads kill(1)'s first argument: -9, -HUP or -SIGHUP.
func signalNumber(s string) (int, bool) {
	name, ok := strings.CutPrefix(s, "-")
	if !ok {
		return 0, false
	}
	if n, err := strconv.ParseUint(name, 10, 8); err == nil {
		return int(n), n <= 64
	}
	n := slices.Index(signalNames, strings.TrimPrefix(strings.ToUpper(name), "SIG"))
	return n, n > 0
}
