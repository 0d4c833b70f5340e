package filters

import (
	"strings"

	"github.com/privhelper/privhelper/filters/internal/pyre"
)

// A pattern is one argument's regular expression. Most are literals: of these nothing is kept, and a nil pattern matches the
// text itself. In Oslo a pattern is parsed when the policy is, and one that Python would not compile matches nothing; in
// Strict such a one refuses the policy.
type pattern struct {
	re  *pyre.Pattern
	err error
	// open says that the $ which rootwrap adds need not anchor the whole: an alternative, a comment or an escape may take it.
	open bool
}

// match reports whether an argument matches p, which was written as text.
func (p *pattern) match(text, arg string, s Semantics) bool {
	if p == nil {
		return arg == text || s == Oslo && strings.HasSuffix(arg, "\n") && arg[:len(arg)-1] == text
	}
	return p.err == nil && p.re.Match(arg)
}

// pattern parses text once for all the rules that have it.
func (b *builder) pattern(text string) *pattern {
	if pyre.Literal(text) {
		return nil
	}
	if p := b.patterns[text]; p != nil {
		return p
	}
	anchor := pyre.Whole
	if b.semantics == Oslo {
		anchor = pyre.Rootwrap
	}
	p := &pattern{open: strings.ContainsAny(text, "|#") || strings.HasSuffix(text, `\`)}
	p.re, p.err = pyre.Compile(text, anchor)
	b.patterns[text] = p
	return p
}

// regExp matches each argument, the command's name included, with a pattern of its own. prefix says that more arguments
// may follow: an inner command, which another rule must allow.
type regExp struct {
	patterns []*pattern
	prefix   bool
}

func buildRegExp(b *builder, r *Rule) error { return b.regExp(r, false) }

func buildChainingRegExp(b *builder, r *Rule) error {
	r.chain = true
	return b.regExp(r, true)
}

func (b *builder) regExp(r *Rule, prefix bool) error {
	r.executable()
	k := &b.regExps.take(1)[0]
	k.prefix, k.patterns = prefix, b.places.take(len(r.Args))
	r.kind = k
	for i, text := range r.Args {
		p := b.pattern(text)
		if p != nil && p.err != nil && b.semantics == Strict {
			return b.fail(r, BadLine, "rule %q: pattern %q: %v", r.Name, text, p.err)
		}
		k.patterns[i] = p
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
	for i, p := range k.patterns {
		if p.match(r.Args[i], args[i], q.policy.semantics) {
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
		if p := k.patterns[i]; (p == nil || !p.open) && strings.IndexByte(args[i], '\n') < 0 {
			continue
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
	switch first := k.patterns[0]; {
	case first == nil:
		ix.name(r.Args[0], r)
	case first.err == nil:
		if text, literal := first.re.Prefix(); literal {
			ix.name(text, r)
		} else {
			ix.begins(text, r)
		}
	}
}
