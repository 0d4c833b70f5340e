package filters

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Decide says whether r may run, and as what. It is the one function that does: run, explain, check and the daemon all
// call it. The caller must close the Verdict. Why it refuses, Explain says. Decide may be called from many goroutines at
// once.
func (p *Policy) Decide(m Machine, r Request) (v Verdict) {
	if reason := p.flaw(&r); reason != "" {
		return Verdict{Near: []Near{{Reason: reason, Told: reason}}}
	}
	q, args := p.query(m, &r)
	if q.either(args, r.Argv, &v); v.Outcome != Match {
		q.learn(args, r.Argv, &v)
	}
	return v
}

// Explain fills Near of a refusal that Decide returned for the same m and r: which rules came near, and why each refuses.
// It walks over the same rules again and collects reasons, ten times the work of the decision, which therefore is over
// before, and stays as it is: where the machine says otherwise by now, Near may be empty. A Match is left alone.
func (p *Policy) Explain(m Machine, r Request, v *Verdict) {
	if v.Outcome == Match || v.Near != nil {
		return
	}
	q, args := p.query(m, &r)
	q.explain = true
	var again Verdict
	q.either(args, r.Argv, &again)
	_ = again.Close() // nothing was written through it
	v.Near = q.near
}

// query begins a decision. It returns with it the arguments as the rules see them: an EnvFilter reads the environment that
// is asked for before the command.
func (p *Policy) query(m Machine, r *Request) (q query, args []string) {
	args = r.Argv
	if len(r.Env) > 0 {
		args = slices.Concat([]string{"env"}, r.Env, r.Argv)
	}
	return query{policy: p, machine: m, wanted: r.Env, dir: r.Dir, client: r.Client}, args
}

// either judges args, in which the environment asked for stands before the command, as an EnvFilter reads it; and where
// that comes to nothing the bare command by the rules that have a list of variables (env). The verdict is written where it
// is wanted, here as below: it is 200 bytes.
func (q *query) either(args, bare []string, v *Verdict) {
	q.byList = false
	q.run(args, nil, v)
	if v.Outcome == Match || len(q.wanted) == 0 {
		return
	}
	q.byList = true
	var w Verdict
	if q.run(bare, nil, &w); w.Outcome > v.Outcome {
		*v = w
	}
}

// flaw returns why a request cannot be judged at all.
func (p *Policy) flaw(r *Request) string {
	if p.index == nil {
		return "there is no policy"
	}
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

	learning bool // the rules of the learning file count too

	// Of the rule that is being asked:
	prefix    int // a chain's: the inner command begins here
	files     []file
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
func (q *query) run(args []string, outer *Rule, v *Verdict) {
	envs := q.policy.envs
	if outer != nil {
		envs = q.policy.leafEnvs[outer.RunAs]
	}
	var missing *Rule // the first that allows, and whose program is not there
	for lo := 0; len(args) > 0; {
		if q.explain {
			q.strangers(args[0])
		}
		hi := len(q.policy.rules)
		if args[0] == "env" && len(envs) > 0 && (q.learning || !q.policy.rules[envs[0]].Learning) {
			hi, envs = int(envs[0]), envs[1:]
		}
		without := q.view(args, lo, hi, outer, v)
		if v.Outcome == Match {
			return
		}
		if missing == nil {
			missing = without
		}
		if hi == len(q.policy.rules) {
			break
		}
		args, lo = args[1:], hi
	}
	*v = Verdict{}
	if missing != nil {
		v.Outcome, v.Rule = NotExecutable, missing
	}
}

// strangers names rules that the index does not find though a reader would expect them to apply.
func (q *query) strangers(name string) {
	if base := basename(name); base != name {
		c := q.policy.index.find([]string{base}, 0)
		for i := c.next(); i >= 0 && len(q.near) < maxNear; i = c.next() {
			r := q.policy.rules[i]
			if r.Learning {
				continue
			}
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
// the first that allows is returned.
func (q *query) view(args []string, lo, hi int, outer *Rule, v *Verdict) (missing *Rule) {
	c := q.policy.index.find(args, lo)
	for i := c.next(); i >= 0 && i < hi; i = c.next() {
		r := q.policy.rules[i]
		if outer != nil && r.chain || r.Learning && !q.learning {
			continue
		}
		q.reason, q.told, q.deviation, q.loose, q.files = "", "", "", q.loose[:0], q.files[:0]
		switch q.ask(r, args, outer, v) {
		case Match:
			v.Outcome = Match
			return nil
		case NotExecutable:
			if missing == nil {
				missing = r
			}
		}
		if q.explain && q.reason != "" && len(q.near) < maxNear {
			q.near = append(q.near, Near{Rule: r, Reason: q.reason, Told: q.told, Deviation: q.deviation})
		}
	}
	return missing
}

// ask asks one rule. Unless it returns Match, what it left in v is nothing.
func (q *query) ask(r *Rule, args []string, outer *Rule, v *Verdict) Outcome {
	*v = Verdict{}
	if outer != nil && r.RunAs != outer.RunAs {
		if q.explain && q.match(r, args, v) {
			_ = v.Close()
			q.no(ChainInner, "it allows the inner command as %s, and the rule before it is for %s", r.RunAs, outer.RunAs)
		}
		return Unauthorized
	}
	if !q.match(r, args, v) {
		return Unauthorized
	}
	v.Rule, v.RunAs = r, r.RunAs
	if outer == nil && !q.options(r, v) || r.chain && !q.inner(r, v, q.prefix) {
		_ = v.Close()
		return Unauthorized
	}
	if r.strange != "" {
		q.unsafe(r.strange)
	}
	return q.complete(v)
}

// complete finds the executable of a match, and holds its files.
func (q *query) complete(v *Verdict) Outcome {
	strict := q.policy.semantics == Strict
	if v.Kill != nil {
		v.Path = v.Rule.Exec // for the reader: nothing is executed
		return Match
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
		return NotExecutable
	}
	v.Path, v.reached = canonical, reached
	if err := q.open(v); err != nil {
		if q.explain {
			q.no("", "%v", err)
		}
		_ = v.Close()
		return Unauthorized
	}
	if strict {
		// A pattern may have let any name pass, and a multi-call program does what its name says.
		if !v.Rule.named(v.Argv[0]) {
			v.Argv = renamed(v.Argv, basename(v.Rule.Exec))
		}
		return Match
	}
	v.Argv = renamed(v.Argv, v.Path)
	if _, err := q.machine.Executable(v.Path, true); err != nil {
		q.unsafe(FileTrust)
	}
	if v.RunAs != "root" {
		q.unsafe(RunAsGroups)
	}
	for _, d := range q.loose {
		v.Unsafe = append(v.Unsafe, string(d))
	}
	return Match
}

// renamed returns a copy of argv with another first.
func renamed(argv []string, first string) []string {
	out := make([]string, len(argv))
	copy(out, argv)
	out[0] = first
	return out
}

// paths returns where the program of r, which is one of p's rules, may lie. They are made when the rule is first asked,
// because a policy holds many more rules than a helper is ever asked about, and kept, because to make them is a third of a
// decision.
func (p *Policy) paths(r *Rule) []string {
	if known := p.places[r.index].Load(); known != nil {
		return *known
	}
	paths := []string{r.Exec}
	if !isAbs(r.Exec) {
		paths = paths[:0]
		for _, dir := range p.execDirs {
			paths = append(paths, joined(dir, r.Exec))
		}
	}
	p.places[r.index].Store(&paths) // two at once make the same
	return paths
}

// lookup goes through exec_dirs as rootwrap does. It returns the path at which the rule's program was found, and the one
// to execute. What is there and cannot be trusted ends the search: to take the next one instead would hide it.
func (q *query) lookup(r *Rule, trusted bool) (reached, canonical string, err error) {
	for _, path := range q.policy.paths(r) {
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
	return "", "", fmt.Errorf("executable %s not found in %s", r.Exec, strings.Join(q.policy.execDirs, ":"))
}
