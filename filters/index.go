package filters

import (
	"slices"
	"strings"
)

// An index finds the rules that may allow a command, so that a verdict does not walk over all rules. It only narrows
// the choice: each rule is asked itself.
type index struct {
	names  map[string]int32 // by the command's name as written: a chain of nodes
	envs   map[string]int32 // EnvFilters, by the name of the command they are for
	starts map[string]int32 // rules whose pattern for the name is no literal, by the literal it begins with
	nodes  []node           // rule numbers rise along a chain
	widths []int            // lengths of the keys of starts
}

// A node is one rule in a chain.
type node struct {
	rule int32
	next int32 // 0 ends the chain: node 0 is not used
}

// newIndex takes all rules, which are numbered in order. The last comes first, so that each chain begins with the
// smallest number.
func newIndex(rules []*Rule) *index {
	ix := &index{
		names: make(map[string]int32, len(rules)), envs: make(map[string]int32), starts: make(map[string]int32),
		nodes: make([]node, 1, len(rules)+len(rules)/4+1),
	}
	for i := len(rules) - 1; i >= 0; i-- {
		rules[i].kind.keys(rules[i], ix)
	}
	for start := range ix.starts {
		if !slices.Contains(ix.widths, len(start)) {
			ix.widths = append(ix.widths, len(start))
		}
	}
	return ix
}

func (ix *index) add(m map[string]int32, key string, r *Rule) {
	ix.nodes = append(ix.nodes, node{rule: r.index, next: m[key]})
	m[key] = int32(len(ix.nodes) - 1)
}

// name files r under one name.
func (ix *index) name(name string, r *Rule) { ix.add(ix.names, name, r) }

// command files r under the two names by which a CommandFilter can be called.
func (ix *index) command(r *Rule) {
	ix.name(r.Exec, r)
	if base := basename(r.Exec); base != r.Exec {
		ix.name(base, r)
	}
}

// env files an EnvFilter under the name of its command.
func (ix *index) env(r *Rule) {
	ix.add(ix.envs, r.Exec, r)
	if base := basename(r.Exec); base != r.Exec {
		ix.add(ix.envs, base, r)
	}
}

// begins files r under the literal that its pattern for the name begins with.
func (ix *index) begins(start string, r *Rule) { ix.add(ix.starts, start, r) }

// A cursor walks over the rules that may allow args, in the order of the policy. It stands on the stack.
type cursor struct {
	ix     *index
	heads  [maxHeads]int32
	n      int
	more   []int32 // heads beyond maxHeads
	lowest int32
}

const maxHeads = 8

// find returns a cursor over the rules from number lo on.
func (ix *index) find(args []string, lo int) cursor {
	c := cursor{ix: ix, lowest: int32(lo)}
	name := args[0]
	c.push(ix.names[name])
	if strings.HasSuffix(name, "\n") {
		c.push(ix.names[name[:len(name)-1]]) // rootwrap's $ lets a last newline pass
	}
	for _, w := range ix.widths {
		if w <= len(name) {
			c.push(ix.starts[name[:w]])
		}
	}
	if len(ix.envs) > 0 && strings.IndexByte(name, '=') >= 0 {
		// rootwrap finds the command behind as many arguments as there are different names, which is too early where
		// one stands twice; such a command has an equals sign itself.
		vars := assignments(args)
		for i := 1; i < vars; i++ {
			c.push(ix.envs[args[i]])
		}
		if vars < len(args) {
			c.push(ix.envs[args[vars]])
		}
	}
	return c
}

func (c *cursor) push(head int32) {
	for head != 0 && c.ix.nodes[head].rule < c.lowest {
		head = c.ix.nodes[head].next
	}
	switch {
	case head == 0:
	case c.n < maxHeads:
		c.heads[c.n] = head
		c.n++
	default:
		c.more = append(c.more, head)
	}
}

// next returns the number of the next rule, or -1. A rule that is found in two ways is returned once.
func (c *cursor) next() int {
	best := int32(-1)
	for _, h := range c.heads[:c.n] {
		if h != 0 && (best < 0 || c.ix.nodes[h].rule < best) {
			best = c.ix.nodes[h].rule
		}
	}
	for _, h := range c.more {
		if h != 0 && (best < 0 || c.ix.nodes[h].rule < best) {
			best = c.ix.nodes[h].rule
		}
	}
	for i, h := range c.heads[:c.n] {
		c.heads[i] = c.past(h, best)
	}
	for i, h := range c.more {
		c.more[i] = c.past(h, best)
	}
	return int(best)
}

func (c *cursor) past(h, rule int32) int32 {
	for h != 0 && c.ix.nodes[h].rule <= rule {
		h = c.ix.nodes[h].next
	}
	return h
}
