package privsep

import (
	"fmt"
	"math/bits"
	"strings"
)

// Capabilities is a set of capabilities in the kernel's own form: bit n is the Capability with number n, as in the Cap
// lines of /proc/PID/status. Its zero value is the empty set. Two sets are compared with ==, joined with |, and a &^ b is
// what a has and b has not.
type Capabilities uint64

// Caps returns the set of the capabilities c. It panics on a number above 63, which no kernel has.
func Caps(c ...Capability) Capabilities {
	return Capabilities(0).With(c...)
}

// Has reports whether c is in the set.
func (s Capabilities) Has(c Capability) bool {
	return c < 64 && s&(1<<c) != 0
}

// With returns the set with every c added. It panics on a number above 63, which no kernel has: the shift would be zero,
// and a capability that was asked for would be left out in silence.
func (s Capabilities) With(c ...Capability) Capabilities {
	for _, one := range c {
		if one >= 64 {
			panic(fmt.Sprintf("privsep: capability %d is out of range: the kernel's sets have 64 bits", one))
		}
		s |= 1 << one
	}
	return s
}

// Without returns the set with every c removed.
func (s Capabilities) Without(c ...Capability) Capabilities {
	for _, one := range c {
		s &^= 1 << one
	}
	return s
}

// List returns the members in the kernel's order; nil for the empty set.
func (s Capabilities) List() []Capability {
	var list []Capability
	for rest := uint64(s); rest != 0; rest &= rest - 1 {
		list = append(list, Capability(bits.TrailingZeros64(rest)))
	}
	return list
}

// String returns the names in the kernel's order with commas between them, as ParseCapabilities reads them; the empty
// string for the empty set.
func (s Capabilities) String() string {
	var names []string
	for _, c := range s.List() {
		names = append(names, c.String())
	}
	return strings.Join(names, ",")
}

// ParseCapabilities returns the set of the names in list, which stand between commas or white space, each as
// ParseCapability takes it. An empty list is the empty set; "all" is refused.
func ParseCapabilities(list string) (Capabilities, error) {
	var set Capabilities
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		c, err := ParseCapability(name)
		if err != nil {
			return 0, err
		}
		set = set.With(c)
	}
	return set, nil
}
