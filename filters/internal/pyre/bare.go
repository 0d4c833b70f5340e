package pyre

import "strings"

// bare takes the places off both ends of a pattern that a match of the whole text makes true. ok is false where a match
// may end earlier: an alternative of Rootwrap's that is not anchored. exact says that no last newline passes.
func bare(root *node, anchor Anchor) (items []*node, exact, ok bool) {
	items = []*node{root}
	if root.op == opCat {
		items = root.subs
	}
	for len(items) > 0 && items[0].op == opAt && items[0].at == atStart {
		items = items[1:]
	}
	exact, ok = anchor == Whole, anchor == Whole
	for len(items) > 0 && items[len(items)-1].op == opAt {
		switch items[len(items)-1].at {
		case atVeryEnd:
			exact, ok = true, true
		case atEnd:
			ok = true
		default:
			return items, false, false
		}
		items = items[:len(items)-1]
	}
	return items, exact, ok
}

// leading returns the text that everything begins with that items match, and whether they match nothing else. A lone
// surrogate is a byte that is no UTF-8, and no text that could be written here.
func leading(items []*node) (text string, literal bool) {
	var out strings.Builder
	for _, item := range items {
		r, ok := item.single()
		if !ok || r >= 0xd800 && r <= 0xdfff {
			return out.String(), false
		}
		out.WriteRune(r)
	}
	return out.String(), true
}
