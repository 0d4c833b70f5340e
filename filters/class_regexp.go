package filters

import (
	"strings"

	"github.com/privhelper/privhelper/filters/internal/pyre"
)

// A pattern is one argument's regular expression. In Oslo it is parsed when the policy is, and one that Python would not
// compile matches nothing; in Strict such a one refuses the policy.
type pattern struct {
	text string
	re   *pyre.Pattern // nil for a literal, as most are, and for an error
	err  error
}

// match reports whether an argument matches.
func (p *pattern) match(arg string, s Semantics) bool {
	switch {
	case p.err != nil:
		return false
	case p.re != nil:
		return p.re.Match(arg)
	}
	return arg == p.text || s == Oslo && strings.HasSuffix(arg, "\n") && arg[:len(arg)-1] == p.text
}

// pattern parses text once for all the rules that have it.
func (b *builder) pattern(text string) pattern {
	if pyre.Literal(text) {
		return pattern{text: text}
	}
	if p, ok := b.patterns[text]; ok {
		return p
	}
	anchor := pyre.Whole
	if b.semantics == Oslo {
		anchor = pyre.Rootwrap
	}
	p := pattern{text: text}
	p.re, p.err = pyre.Compile(text, anchor)
	b.patterns[text] = p
	return p
}

// regExp matches each argument, the command's name included, with a pattern of its own. prefix says that more arguments
// may follow: an inner command, which another rule must allow.
type regExp struct {
	patterns []pattern
	prefix   bool
}

func buildRegExp(b *builder, r *Rule) error { return b.regExp(r, false) }

func buildChainingRegExp(b *builder, r *Rule) error {
	r.chain = true
	return b.regExp(r, true)
}

func (b *builder) regExp(r *Rule, prefix bool) error {
	r.executable()
	k := &regExp{prefix: prefix, patterns: make([]pattern, len(r.Args))}
	r.kind = k
	for i, text := range r.Args {
		k.patterns[i] = b.pattern(text)
		if err := k.patterns[i].err; err != nil && b.semantics == Strict {
			return b.fail(r, BadLine, "rule %q: pattern %q: %v", r.Name, text, err)
		}
	}
	if b.semantics == Strict && len(r.Args) == 0 {
		return b.fail(r, BadLine, "rule %q has no patterns: the first is for the command's name", r.Name)
	}
	return nil
}

func (k *regExp) match(q *query, r *Rule, args []string, out *Verdict) bool {
	if len(args) < len(k.patterns) || !k.prefix && len(args) > len(k.patterns) {
		if q.explain {
			q.no("", "it has %d arguments, the rule %d", len(args)-1, len(k.patterns)-1)
		}
		return false
	}
	for i := range k.patterns {
		if k.patterns[i].match(args[i], q.policy.semantics) {
			continue
		}
		if q.explain {
			q.no(k.deviation(r.Args[i], args[i]), "argument %d, %q, does not match %q", i, args[i], r.Args[i])
		}
		return false
	}
	if q.policy.semantics == Oslo && k.loose(r, args) {
		q.unsafe(RegexpAnchor)
	}
	out.Argv = args
	if k.prefix {
		q.prefix = len(k.patterns)
	}
	return true
}

// deviation tells whether rootwrap's anchoring would have let an argument pass.
func (k *regExp) deviation(pattern, arg string) Deviation {
	if p, err := pyre.Compile(pattern, pyre.Rootwrap); err == nil && p.Match(arg) {
		return RegexpAnchor
	}
	return ""
}

// loose reports whether Oslo accepted an argument that the whole pattern does not match.
func (k *regExp) loose(r *Rule, args []string) bool {
	for i, text := range r.Args {
		if !strings.ContainsAny(text, "|#") && !strings.Contains(args[i], "\n") && !strings.HasSuffix(text, `\`) {
			continue // anchored by the $ that rootwrap adds: no alternative, no comment and no escape takes it
		}
		if p, err := pyre.Compile(text, pyre.Whole); err != nil || !p.Match(args[i]) {
			return true
		}
	}
	return false
}

func (k *regExp) keys(r *Rule, ix *index) {
	if len(k.patterns) == 0 {
		if k.prefix {
			ix.begins("", r) // rootwrap: no pattern at all allows every inner command that is allowed
		}
		return
	}
	if k.patterns[0].err != nil {
		return
	}
	if k.patterns[0].re == nil {
		ix.name(k.patterns[0].text, r)
		return
	}
	if text, literal := k.patterns[0].re.Prefix(); literal {
		ix.name(text, r)
	} else {
		ix.begins(text, r)
	}
}
