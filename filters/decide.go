package filters

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Decide says whether r may run, and as what. It is the one function that does: run, explain, check and the daemon all
// call it. Near is filled for refusals alone. The caller must close the Verdict. Decide may be called from many
// goroutines at once.
func (p *Policy) Decide(m Machine, r Request) Verdict {
	if reason := r.flaw(); reason != "" {
		return Verdict{Near: []Near{{Reason: reason, Told: reason}}}
	}
	if p.index == nil {
		const reason = "there is no policy"
		return Verdict{Near: []Near{{Reason: reason, Told: reason}}}
	}
	args := r.Argv
	if len(r.Env) > 0 {
		args = slices.Concat([]string{"env"}, r.Env, r.Argv)
	}
	q := query{policy: p, machine: m, wanted: r.Env, dir: r.Dir, client: r.Client}
	v := q.either(args, r.Argv)
	if v.Outcome != Match {
		// Only now is anybody interested in reasons: the same walk again, which collects them.
		q.explain = true
		if v = q.either(args, r.Argv); v.Outcome != Match {
			v.Near = q.near
		}
	}
	return v
}

// either judges args, in which the environment asked for stands before the command, as an EnvFilter reads it; and where
// that comes to nothing the bare command by the rules that have a list of variables (env).
func (q *query) either(args, bare []string) Verdict {
	q.byList = false
	v := q.run(args, nil)
	if v.Outcome == Match || len(q.wanted) == 0 {
		return v
	}
	q.byList = true
	if w := q.run(bare, nil); w.Outcome > v.Outcome {
		return w
	}
	return v
}

// flaw returns why a request cannot be judged at all.
func (r *Request) flaw() string {
	if len(r.Argv) == 0 {
		return "there is no command" // pkexec's CVE-2021-4034
	}
	for _, a := range r.Argv {
		if strings.IndexByte(a, 0) >= 0 {
			return "an argument holds a NUL byte"
		}
	}
	for _, e := range r.Env {
		if i := strings.IndexByte(e, '='); i <= 0 || strings.IndexByte(e, 0) >= 0 {
			return fmt.Sprintf("%q is not NAME=value", e)
		}
	}
	if len(r.Env) > 0 && strings.IndexByte(r.Argv[0], '=') >= 0 {
		return fmt.Sprintf("%q would be one more environment variable", r.Argv[0])
	}
	if r.Dir != "" && !isAbs(r.Dir) {
		return fmt.Sprintf("the working directory %q is not an absolute path", r.Dir)
	}
	if strings.IndexByte(r.Dir, 0) >= 0 {
		return "the working directory holds a NUL byte"
	}
	return ""
}

// A query is one decision under way.
type query struct {
	policy  *Policy
	machine Machine
	wanted  []string // the environment that must come out, if any
	byList  bool     // by the rule's own list of variables
	dir     string   // the working directory asked for, if any
	client  Client
	explain bool
	near    []Near

	found found // by the rule that is being asked; here and not on the stack, as kinds are called by an interface

	// Of the rule that is being asked:
	reason    string
	told      string
	deviation Deviation
	loose     []Deviation
}

// maxNear bounds what a refusal collects.
const maxNear = 16

// no notes why the rule that is being asked refuses. Call it if explain is set.
func (q *query) no(d Deviation, format string, args ...any) {
	q.reason, q.told, q.deviation = fmt.Sprintf(format, args...), told(format, args), d
}

// told leaves out an error at the end: it is the machine's word on its files (is there one, where does its link lead).
func told(format string, args []any) string {
	if n := len(args); n > 0 {
		if _, machine := args[n-1].(error); machine {
			format, args = strings.TrimSuffix(strings.TrimSuffix(format, "%v"), ": "), args[:n-1]
		}
	}
	return fmt.Sprintf(format, args...)
}

// unsafe notes that Strict would refuse.
func (q *query) unsafe(d Deviation) {
	if !slices.Contains(q.loose, d) {
		q.loose = append(q.loose, d)
	}
}

// run judges args by all rules, or, below the chain rule outer, by those that may be inner ones.
//
// rootwrap's EnvFilter takes a leading "env" off the argument list for good: the rules after it, of any class, see the
// list without. So the rules up to the next EnvFilter, and it itself, are asked about one view of the list.
func (q *query) run(args []string, outer *Rule) Verdict {
	envs := q.policy.envs
	if outer != nil {
		envs = q.policy.leafEnvs[outer.RunAs]
	}
	var missing Verdict
	for lo := 0; len(args) > 0; {
		if q.explain {
			q.strangers(args[0])
		}
		hi := len(q.policy.rules)
		if args[0] == "env" && len(envs) > 0 {
			hi, envs = int(envs[0]), envs[1:]
		}
		if v := q.view(args, lo, hi, outer); v.Outcome == Match {
			return v
		} else if v.Outcome == NotExecutable && missing.Rule == nil {
			missing = v
		}
		if hi == len(q.policy.rules) {
			break
		}
		args, lo = args[1:], hi
	}
	return missing
}

// strangers names rules that the index does not find though a reader would expect them to apply.
func (q *query) strangers(name string) {
	if base := basename(name); base != name {
		c := q.policy.index.find([]string{base}, 0)
		for i := c.next(); i >= 0 && len(q.near) < maxNear; i = c.next() {
			r := q.policy.rules[i]
			reason := fmt.Sprintf("it is for %s, not for %s", r.Exec, name)
			q.near = append(q.near, Near{Rule: r, Reason: reason, Told: reason})
		}
	}
	if name == privsepHelper && q.policy.semantics == Strict && len(q.near) < maxNear {
		const reason = "rootwrap allows privsep-helper to everybody; here a rule must"
		q.near = append(q.near, Near{Reason: reason, Told: reason, Deviation: BuiltinPrivsepHelper})
	}
}

// view asks the rules from number lo to number hi about args. The first that allows and has an executable wins; else
// the first that allows is returned as NotExecutable.
func (q *query) view(args []string, lo, hi int, outer *Rule) Verdict {
	var missing Verdict
	c := q.policy.index.find(args, lo)
	for i := c.next(); i >= 0 && i < hi; i = c.next() {
		r := q.policy.rules[i]
		if outer != nil && r.chain {
			continue
		}
		q.reason, q.told, q.deviation, q.loose = "", "", "", q.loose[:0]
		v := q.ask(r, args, outer)
		switch {
		case v.Outcome == Match:
			return v
		case v.Outcome == NotExecutable && missing.Rule == nil:
			missing = v
		}
		if q.explain && q.reason != "" && len(q.near) < maxNear {
			q.near = append(q.near, Near{Rule: r, Reason: q.reason, Told: q.told, Deviation: q.deviation})
		}
	}
	return missing
}

// ask asks one rule.
func (q *query) ask(r *Rule, args []string, outer *Rule) Verdict {
	q.found = found{}
	f := &q.found
	if outer != nil && r.RunAs != outer.RunAs {
		if q.explain && r.kind.match(q, r, args, f) {
			_ = Verdict{Kill: f.kill}.Close()
			q.no(ChainInner, "it allows the inner command as %s, and the rule before it is for %s", r.RunAs, outer.RunAs)
		}
		return Verdict{}
	}
	if !r.kind.match(q, r, args, f) {
		return Verdict{}
	}
	v := Verdict{Outcome: Match, Rule: r, RunAs: r.RunAs, Argv: f.argv, Env: f.env, Stdin: f.stdin, Kill: f.kill}
	if outer == nil && !q.options(r, &v) {
		_ = v.Close()
		return Verdict{}
	}
	if r.chain && !q.inner(r, &v, f.prefix) {
		_ = v.Close()
		return Verdict{}
	}
	if r.strange != "" {
		q.unsafe(r.strange)
	}
	return q.complete(v, f.files)
}

// complete finds the executable of a match, and holds its files.
func (q *query) complete(v Verdict, files []file) Verdict {
	strict := q.policy.semantics == Strict
	if v.Kill != nil {
		v.Path = v.Rule.Exec // for the reader: nothing is executed
		return v
	}
	reached, canonical, err := q.lookup(v.Rule, strict)
	if err != nil {
		if q.explain {
			d := Deviation("")
			if _, _, err := q.lookup(v.Rule, false); err == nil {
				d = FileTrust
			}
			q.no(d, "%v", err)
		}
		_ = v.Close()
		return Verdict{Outcome: NotExecutable, Rule: v.Rule}
	}
	v.Path, v.reached = canonical, reached
	if err := q.open(&v, files); err != nil {
		if q.explain {
			q.no("", "%v", err)
		}
		_ = v.Close()
		return Verdict{}
	}
	if strict {
		// A pattern may have let any name pass, and a multi-call program does what its name says.
		if !v.Rule.named(v.Argv[0]) {
			v.Argv = slices.Clone(v.Argv)
			v.Argv[0] = basename(v.Rule.Exec)
		}
		return v
	}
	v.Argv = slices.Clone(v.Argv)
	v.Argv[0] = v.Path
	if _, err := q.machine.Executable(v.Path, true); err != nil {
		q.unsafe(FileTrust)
	}
	if v.RunAs != "root" {
		q.unsafe(RunAsGroups)
	}
	for _, d := range q.loose {
		v.Unsafe = append(v.Unsafe, string(d))
	}
	return v
}

// lookup goes through exec_dirs as rootwrap does. It returns the path at which the rule's program was found, and the one
// to execute. What is there and cannot be trusted ends the search: to take the next one instead would hide it.
func (q *query) lookup(r *Rule, trusted bool) (reached, canonical string, err error) {
	dirs := q.policy.execDirs
	if isAbs(r.Exec) {
		dirs = []string{""}
	}
	for _, dir := range dirs {
		path := joined(dir, r.Exec)
		canonical, err = q.machine.Executable(path, trusted)
		if err == nil {
			return path, canonical, nil
		}
		if !errors.Is(err, ErrNotExecutable) {
			return "", "", err
		}
	}
	if isAbs(r.Exec) {
		return "", "", fmt.Errorf("executable %s not found", r.Exec)
	}
	return "", "", fmt.Errorf("executable %s not found in %s", r.Exec, strings.Join(dirs, ":"))
}
