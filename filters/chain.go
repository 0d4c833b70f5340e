package filters

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// inner judges the command that a chain rule found behind its own arguments, by the rules of the same run_as that are no
// chains themselves: a chain has two links and no more. It completes v, the outer rule's verdict.
//
// rootwrap forgets the inner verdict once it is positive, and lets the outer program find what to run by its own
// search. Strict makes it hold: the inner rule's executable, arguments, environment and standard input are used.
func (q *query) inner(r *Rule, v *Verdict, prefix int) bool {
	given := v.Argv[prefix:]
	if len(given) == 0 {
		if q.explain {
			q.no("", "no command follows")
		}
		return false
	}
	args := given
	if strings.IndexByte(given[0], '/') >= 0 {
		args = append([]string{basename(given[0])}, given[1:]...)
	}
	// The inner query collects reasons of its own; its rules are asked once more if the outer one turns out to refuse.
	sub := query{policy: q.policy, machine: q.machine, explain: q.explain, learning: q.learning}
	var in Verdict
	if sub.run(args, r, &in); in.Outcome != Match {
		if q.explain {
			q.reason, q.told, q.deviation = sub.reasons(args)
		}
		return false
	}
	if in.Rule.Section.adds() {
		if q.explain {
			q.no("", "rule %s, which allows the inner command, has options of its own, and it is the outer one that runs", in.Rule.Name)
		}
		_ = in.Close()
		return false
	}
	if _, ours := in.Rule.kind.(argvFilter); q.policy.semantics == Oslo && !ours {
		q.innerUnsafe(in, sub.loose, given)
		return true
	}
	if err := q.samePath(given[0], in); err != nil {
		if q.explain {
			q.no(ChainBasename, "inner command: %v", err)
		}
		_ = in.Close()
		return false
	}
	v.Env, v.Stdin, v.Kill = append(v.Env, in.Env...), in.Stdin, in.Kill
	for _, f := range in.Files {
		f.Arg += prefix
		v.Files = append(v.Files, f)
	}
	if in.Kill == nil {
		// The outer program executes this by its path, links and all, so that multi-call programs find their name.
		v.Argv = slices.Concat(v.Argv[:prefix], []string{in.reached}, in.Argv[1:])
	}
	return true
}

// samePath allows a path before the inner command's name only if it is the file that the inner rule runs.
func (q *query) samePath(given string, in Verdict) error {
	if strings.IndexByte(given, '/') < 0 || given == in.Rule.Exec || given == in.reached {
		return nil
	}
	if !isAbs(given) {
		return fmt.Errorf("%q is not an absolute path", given)
	}
	canonical, err := q.machine.Executable(given, true)
	switch {
	case errors.Is(err, ErrNotExecutable):
		return fmt.Errorf("%s is not the %s of rule %q", given, in.Path, in.Rule.Name)
	case err != nil:
		return err
	case canonical != in.Path:
		return fmt.Errorf("%s is not the %s of rule %q", given, in.Path, in.Rule.Name)
	}
	return nil
}

// innerUnsafe notes what rootwrap loses of the inner verdict.
func (q *query) innerUnsafe(in Verdict, loose []Deviation, given []string) {
	for _, d := range loose {
		q.unsafe(d)
	}
	if strings.IndexByte(given[0], '/') >= 0 {
		q.unsafe(ChainBasename)
	}
	if in.Env != nil || given[0] == "env" || !slices.Equal(in.Argv[1:], given[1:]) {
		q.unsafe(ChainInner)
	}
}

// reasons sums up why no rule allows the inner command: all of it, and what a client may be told.
func (q *query) reasons(args []string) (reason, told string, d Deviation) {
	reason = fmt.Sprintf("no rule allows the inner command %q", args[0])
	told = reason
	for _, n := range q.near {
		if d == "" {
			d = n.Deviation
		}
		rule := "; "
		if n.Rule != nil {
			rule += n.Rule.Name + ": "
		}
		reason, told = reason+rule+n.Reason, told+rule+n.Told
	}
	return reason, told, d
}
