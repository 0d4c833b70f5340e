package pyre

import (
	"io"
	"strings"
)

// errEnd is what regexp takes for the end of the text.
var errEnd = io.EOF

// quick is the form of most patterns in policies: a literal, at most one repeated set, a literal. It needs no engine.
type quick struct {
	ok     bool
	exact  bool // Rootwrap: the author wrote \Z, so that no last newline passes
	prefix string
	body   *set
	min    int
	max    int
	suffix string
}

func (q *quick) match(text string) bool {
	if q.body == nil {
		return text == q.prefix
	}
	if len(text) < len(q.prefix)+len(q.suffix) || !strings.HasPrefix(text, q.prefix) || !strings.HasSuffix(text, q.suffix) {
		return false
	}
	n := 0
	for text = text[len(q.prefix) : len(text)-len(q.suffix)]; text != ""; n++ {
		r, size := next(text)
		if !q.body.contains(r) {
			return false
		}
		text = text[size:]
	}
	return q.min <= n && (n <= q.max || q.max == endless)
}

// shortcut returns the quick form of a pattern if it has one.
func shortcut(root *node, anchor Anchor) quick {
	items := []*node{root}
	if root.op == opCat {
		items = root.subs
	}
	for len(items) > 0 && items[0].op == opAt && items[0].at == atStart {
		items = items[1:]
	}
	q := quick{ok: true, exact: anchor == Whole}
	ended := anchor == Whole
	for len(items) > 0 && items[len(items)-1].op == opAt {
		switch items[len(items)-1].at {
		case atVeryEnd:
			q.exact, ended = true, true
		case atEnd:
			ended = true
		default:
			return quick{}
		}
		items = items[:len(items)-1]
	}
	if !ended {
		return quick{} // an alternative of Rootwrap's that is not anchored
	}
	var prefix, suffix strings.Builder
	for _, n := range items {
		if r, ok := n.single(); ok && (r < 0xd800 || r > 0xdfff) {
			if q.body == nil {
				prefix.WriteRune(r)
			} else {
				suffix.WriteRune(r)
			}
			continue
		}
		if q.body != nil {
			return quick{}
		}
		switch {
		case n.op == opSet:
			q.body, q.min, q.max = n.set, 1, 1
		case n.op == opRepeat && n.subs[0].op == opSet && n.kind != possessive:
			q.body, q.min, q.max = n.subs[0].set, n.min, n.max
		default:
			return quick{}
		}
	}
	q.prefix, q.suffix = prefix.String(), suffix.String()
	return q
}

// leading returns the literal that everything begins with that n matches.
func leading(n *node) string {
	items := []*node{n}
	if n.op == opCat {
		items = n.subs
	}
	var out strings.Builder
	for _, item := range items {
		if item.op == opAt && item.at == atStart {
			continue
		}
		r, ok := item.single()
		if !ok || r >= 0xd800 && r <= 0xdfff {
			break
		}
		out.WriteRune(r)
	}
	return out.String()
}
