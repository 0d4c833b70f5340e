package filters

import (
	"strings"

	"github.com/privhelper/privhelper/filters/internal/pyre"
)

// A pattern is one argument's regular expression. In Oslo it is parsed when it is first needed and one that Python
// would not compile matches nothing; in Strict it is parsed at load and refuses the policy.
type patternOrError struct {
	p   *pyre.Pattern
	err error
}

// pattern parses text once for all the rules that have it.
func (b *builder) pattern(text string) patternOrError {
	if p, ok := b.patterns[text]; ok {
		return p
	}
	anchor := pyre.Whole
	if b.semantics == Oslo {
		anchor = pyre.Rootwrap
	}
	var p patternOrError
	p.p, p.err = pyre.Compile(text, anchor)
	b.patterns[text] = p
	return p
}

// regExp matches each argument, the command's name included, with a pattern of its own. prefix says that more arguments
// may follow: an inner command, which another rule must allow.
type regExp struct {
	patterns []patternOrError
	prefix   bool
}

func buildRegExp(b *builder, r *Rule) error { return b.regExp(r, false) }

func buildChainingRegExp(b *builder, r *Rule) error {
	r.chain = true
	return b.regExp(r, true)
}

func (b *builder) regExp(r *Rule, prefix bool) error {
	r.executable()
	k := &regExp{prefix: prefix, patterns: make([]patternOrError, len(r.Args))}
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

func (k *regExp) match(q *query, r *Rule, args []string, out *found) bool {
	if len(args) < len(k.patterns) || !k.prefix && len(args) > len(k.patterns) {
		if q.explain {
			q.no("", "it has %d arguments, the rule %d", len(args)-1, len(k.patterns)-1)
		}
		return false
	}
	for i, p := range k.patterns {
		if p.err == nil && p.p.Match(args[i]) {
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
	out.argv = args
	if k.prefix {
		out.prefix = len(k.patterns)
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
		if !strings.Contains(text, "|") && !strings.HasSuffix(args[i], "\n") && !strings.HasSuffix(text, `\`) &&
			!strings.Contains(text, "(?x") {
			continue // anchored by the $ that rootwrap adds
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
	if text, literal := k.patterns[0].p.Prefix(); literal {
		ix.name(text, r)
	} else {
		ix.begins(text, r)
	}
}
