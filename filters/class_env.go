package filters

import (
	"slices"
	"strings"
)

// env allows a command with exactly the environment variables the rule names. The caller writes env NAME=value… before
// the command, or lets its client do so.
type env struct {
	names  []string // of the rule, without duplicates
	values []string // beside names: NAME=value as written
}

func buildEnv(b *builder, r *Rule) error {
	r.executable()
	k := &env{}
	r.kind = k
	vars := assignments(r.Args)
	k.names, k.values = make([]string, 0, vars), make([]string, 0, vars)
	for _, v := range r.Args[:vars] {
		name, _, _ := strings.Cut(v, "=")
		if slices.Contains(k.names, name) {
			if b.semantics == Strict {
				return b.fail(r, BadLine, "rule %q names %s twice", r.Name, name)
			}
			continue
		}
		k.names = append(k.names, name)
		k.values = append(k.values, v)
	}
	// rootwrap: env A= B= prog …: the program is what follows the variables.
	if strings.Contains(r.Exec, "env") && len(k.names) < len(r.Args) {
		r.Exec = r.Args[len(k.names)]
	}
	if b.semantics == Oslo {
		return nil
	}
	if len(k.names) == 0 {
		return b.fail(r, BadLine, "rule %q can never match: it names no variable", r.Name)
	}
	for _, name := range k.names {
		if !validEnvName(name) {
			return b.fail(r, BadLine, "rule %q: %q is not the name of a variable", r.Name, name)
		}
		if unsafeEnvName(name) {
			return b.fail(r, EnvValues, "rule %q: %s changes which code a program loads or runs", r.Name, name)
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
	if len(k.names) > len(few) {
		seen = make([]bool, len(k.names))
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
	case distinct != len(k.names) || distinct == 0:
		if q.explain {
			q.no("", "the rule demands exactly the variables %s", strings.Join(k.names, ", "))
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
	if q.policy.semantics == Strict {
		out.Env = args[:vars:vars]
		return true
	}
	for _, a := range args[:vars] {
		// rootwrap leaves out what is empty; env(1) and Strict set it.
		if name, value, _ := strings.Cut(a, "="); name != "" && value != "" {
			out.Env = append(out.Env, a)
		}
	}
	return true
}

// find returns which of the rule's variables a, which has an equals sign, sets; -1 where none. No name has one.
func (k *env) find(a string) int {
	for i, name := range k.names {
		if len(a) > len(name) && a[len(name)] == '=' && a[:len(name)] == name {
			return i
		}
	}
	return -1
}

// valuesHold compares with the values that the rule writes; NAME= allows any. A value that a shell could take for a
// function is none of those (CVE-2014-6271).
func (k *env) valuesHold(q *query, vars []string) bool {
	for _, a := range vars {
		i := k.find(a)
		name, want := k.names[i], k.values[i]
		fits := want == a || len(want) == len(name)+1 && !strings.HasPrefix(a[len(want):], "()")
		if q.policy.semantics == Oslo {
			if !fits || unsafeEnvName(name) || !validEnvName(name) {
				q.unsafe(EnvValues)
			}
			continue
		}
		if !fits {
			if q.explain {
				q.no(EnvValues, "the rule demands %s, not %s", want, a)
			}
			return false
		}
	}
	return true
}

func (k *env) keys(r *Rule, ix *index) {
	ix.env(r)
}
