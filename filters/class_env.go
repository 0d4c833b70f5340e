package filters

import (
	"slices"
	"strings"
)

// env allows a command with exactly the environment variables the rule names. The caller writes env NAME=value… before
// the command, or lets its client do so.
type env struct {
	vars []variable // without duplicates
}

// A variable is NAME=value as the rule writes it.
type variable struct {
	name, written string
	unsafe        bool // Strict would not have the name
}

func buildEnv(b *builder, r *Rule) error {
	r.executable()
	k := &b.envs.take(1)[0]
	r.kind = k
	vars := assignments(r.Args)
	k.vars = b.vars.take(vars)[:0]
	for _, written := range r.Args[:vars] {
		name, _, _ := strings.Cut(written, "=")
		if k.find(written) >= 0 {
			if b.semantics == Strict {
				return b.fail(r, BadLine, "rule %q names %s twice", r.Name, name)
			}
			continue
		}
		k.vars = append(k.vars, variable{name, written, !validEnvName(name) || unsafeEnvName(name)})
	}
	// rootwrap: env A= B= prog …: the program is what follows the variables.
	if strings.Contains(r.Exec, "env") && len(k.vars) < len(r.Args) {
		r.Exec = r.Args[len(k.vars)]
	}
	if b.semantics == Oslo {
		return nil
	}
	if len(k.vars) == 0 {
		return b.fail(r, BadLine, "rule %q can never match: it names no variable", r.Name)
	}
	for _, v := range k.vars {
		if !validEnvName(v.name) {
			return b.fail(r, BadLine, "rule %q: %q is not the name of a variable", r.Name, v.name)
		}
		if v.unsafe {
			return b.fail(r, EnvValues, "rule %q: %s changes which code a program loads or runs", r.Name, v.name)
		}
	}
	return nil
}

// assignments counts the leading arguments that have an equals sign.
func assignments(args []string) int {
	for i, a := range args {
		if strings.IndexByte(a, '=') < 0 {
			return i
		}
	}
	return len(args)
}

func (k *env) match(q *query, r *Rule, args []string, out *Verdict) bool {
	vars := assignments(args)
	var few [16]bool
	seen := few[:]
	if len(k.vars) > len(few) {
		seen = make([]bool, len(k.vars))
	}
	distinct := 0
	for _, a := range args[:vars] {
		i := k.find(a)
		if i < 0 {
			if q.explain {
				name, _, _ := strings.Cut(a, "=")
				q.no("", "the rule does not name %s", name)
			}
			return false
		}
		if !seen[i] {
			seen[i] = true
			distinct++
		}
	}
	// rootwrap counts names, not arguments: where one stands twice it looks for the command too early.
	switch {
	case len(args) < len(r.Args) || distinct >= len(args):
		if q.explain {
			q.no("", "it has %d arguments, the rule needs %d", len(args)-1, len(r.Args)-1)
		}
		return false
	case distinct != len(k.vars) || distinct == 0:
		if q.explain {
			q.no("", "the rule demands exactly the variables %s", k.names())
		}
		return false
	case !r.named(args[distinct]):
		if q.explain {
			q.no("", "the rule is for %s", r.Exec)
		}
		return false
	}
	if !k.valuesHold(q, args[:vars]) {
		return false
	}
	out.Argv = args[vars:]
	if len(out.Argv) == 0 { // the command's own name has an equals sign
		out.Argv = args[distinct:]
	}
	out.Env = args[:vars:vars]
	if q.policy.semantics == Oslo && slices.ContainsFunc(out.Env, halfEmpty) {
		out.Env = slices.DeleteFunc(slices.Clone(out.Env), halfEmpty)
	}
	return true
}

// halfEmpty says whether a variable has no name or no value: rootwrap leaves it out; env(1) and Strict set it.
func halfEmpty(v string) bool {
	return v[0] == '=' || v[len(v)-1] == '=' && strings.IndexByte(v, '=') == len(v)-1
}

// names writes the rule's variables for a refusal.
func (k *env) names() string {
	var names []string
	for _, v := range k.vars {
		names = append(names, v.name)
	}
	return strings.Join(names, ", ")
}

// find returns which of the rule's variables a, which has an equals sign, sets; -1 where none. No name has one.
func (k *env) find(a string) int {
	for i := range k.vars {
		if name := k.vars[i].name; len(a) > len(name) && a[len(name)] == '=' && a[:len(name)] == name {
			return i
		}
	}
	return -1
}

// valuesHold compares with the values that the rule writes; NAME= allows any. A value that a shell could take for a
// function is none of those (CVE-2014-6271).
func (k *env) valuesHold(q *query, vars []string) bool {
	for _, a := range vars {
		v := &k.vars[k.find(a)]
		fits := v.written == a || len(v.written) == len(v.name)+1 && !strings.HasPrefix(a[len(v.written):], "()")
		if q.policy.semantics == Oslo {
			if !fits || v.unsafe {
				q.unsafe(EnvValues)
			}
			continue
		}
		if !fits {
			if q.explain {
				q.no(EnvValues, "the rule demands %s, not %s", v.written, a)
			}
			return false
		}
	}
	return true
}

func (k *env) keys(r *Rule, ix *index) {
	ix.env(r)
}
