package privsep

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A Context names a helper's job and exactly the capabilities that it keeps for it. There is no way to say all. A
// Context is made once, as a package variable of the contract, and is then safe for concurrent use.
type Context struct {
	name string
	keep Capabilities

	mu      sync.Mutex
	entries []Declaration
	errs    map[Code]bool
}

// A Declaration is what both sides must agree on about one entrypoint.
type Declaration struct {
	Name        string // "context.entrypoint", the name on the wire
	Fingerprint string // the shapes of arguments and reply, and the fence's name if there is one
}

// NewContext declares a context. The name is lower-case letters, digits and underscores, beginning with a letter, and
// is part of each entrypoint's name on the wire. A context without capabilities is allowed: its helper keeps none.
// NewContext panics if the name is not of that form, as all declarations do: they are wiring, made before main.
func NewContext(name string, keep ...Capability) *Context {
	mustBeName("context", name)
	return &Context{name: name, keep: Caps(keep...), errs: map[Code]bool{}}
}

// Name returns the name given to NewContext.
func (c *Context) Name() string { return c.name }

// Capabilities returns what the helper keeps for this context.
func (c *Context) Capabilities() Capabilities { return c.keep }

// Declarations returns the context's entrypoints in the order of their names. The helper compares them with its
// handlers before it serves, the client with what the helper says in its HELLO.
func (c *Context) Declarations() []Declaration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.entries)
}

func (c *Context) declare(d Declaration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, found := slices.BinarySearchFunc(c.entries, d, func(a, b Declaration) int { return strings.Compare(a.Name, b.Name) })
	if found {
		panic(fmt.Sprintf("privsep: entrypoint %s is declared twice", d.Name))
	}
	c.entries = slices.Insert(c.entries, at, d)
}

// mustBeName panics unless name is what both sides, the audit log and a reader's eye can tell apart.
func mustBeName(what, name string) {
	ok := len(name) > 0 && len(name) <= 64 && name[0] >= 'a' && name[0] <= 'z'
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_')
	}
	if !ok {
		panic(fmt.Sprintf("privsep: %s name %q: want 1 to 64 of a-z, 0-9 and _, beginning with a letter", what, name))
	}
}
