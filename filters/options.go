package filters

import (
	"slices"
	"strings"
)

// adds says whether the section changes how a command runs. Whose command it is and how long it lives, a chain's outer
// rule says.
func (s *Section) adds() bool {
	return slices.ContainsFunc(s.Items, func(it Item) bool { return it.Key != "user" && it.Key != "lifetime" })
}

// options puts into v what the rule's own section says of the environment and the working directory, and reports whether
// that is what was asked for.
func (q *query) options(r *Rule, v *Verdict) bool {
	if !r.isFor(q.client) {
		if q.explain {
			q.no("", "it is for the clients %s alone", strings.Join(r.Section.Clients, ", "))
		}
		return false
	}
	switch {
	case len(q.wanted) == 0:
	case q.byList:
		for _, e := range q.wanted {
			if !r.Section.lets(e) {
				if q.explain {
					q.no("", "it does not let the client set %s", e)
				}
				return false
			}
		}
		v.Env = slices.Concat(v.Env, q.wanted)
	case !slices.Equal(v.Env, q.wanted):
		if q.explain {
			q.no("", "it does not set the environment %s", strings.Join(q.wanted, " "))
		}
		return false
	}
	for _, it := range r.Section.Env {
		if e := it.Name + "=" + it.Value; it.Fixed && !slices.Contains(v.Env, e) {
			v.Env = append(slices.Clip(v.Env), e)
		}
	}
	v.Dir = r.Section.Cwd
	if q.dir == "" || q.dir == v.Dir {
		return true
	}
	if v.Dir == "" {
		if q.explain {
			q.no("", "it allows no working directory")
		}
		return false
	}
	canonical, err := q.machine.Beneath(v.Dir, q.dir)
	if err == nil && below(v.Dir, canonical) {
		v.Dir = canonical
		return true
	}
	if q.explain {
		q.no("", "the working directory %q is not below %s", q.dir, v.Dir)
	}
	return false
}

// isFor says whether c may use the rule at all.
func (r *Rule) isFor(c Client) bool {
	return len(r.Section.Clients) == 0 || c != nil && slices.ContainsFunc(r.Section.Clients, c.Is)
}

// For returns the rules that a client may use: those that Decide looks at for it (sudo's list and run asked different
// questions, CVE-2025-32462). Nil is a client whom no list of clients names.
func (p *Policy) For(c Client) []*Rule {
	var rules []*Rule
	for _, r := range p.rules {
		if r.isFor(c) && (!r.Learning || p.learnAllow) {
			rules = append(rules, r)
		}
	}
	return rules
}

// lets says whether the client may set e, which is NAME=value.
func (s *Section) lets(e string) bool {
	name, value, _ := strings.Cut(e, "=")
	return slices.ContainsFunc(s.Env, func(it EnvItem) bool { return it.Name == name && (!it.Fixed || it.Value == value) })
}
