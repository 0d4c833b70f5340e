package strict

import (
	"fmt"
	"math"
	"math/bits"
)

// Check walks once over the bytes of a message and holds them against the plan. It passes exactly what Decode takes, in
// one message with the given number of descriptors. Refused are: fields that the type does not have, a field or a key
// of a map that comes twice, an array for a struct and every other wrong kind, nil for what cannot be nil, integers and
// floats that do not fit, ext types other than a timestamp, lengths of fixed arrays that differ, nonsense nanoseconds,
// truncated input, trailing bytes, a descriptor that nothing names, that is named twice or that is not there, and what
// passes the Limits. NaN and strings that are not UTF-8 are fine.
//
// The error is an *Error; errors.Is(err, ErrTooLarge) where it is the Limits that refuse. Check allocates nothing
// for a message that Append wrote; for a map whose keys are not in order, a few words for each key that is there.
func (p *Plan) Check(data []byte, files int, lim Limits) error {
	_, e := p.check(data, files, lim)
	return e.asError()
}

// Measure is Check, and says how many bytes the decoded value will take: the estimate that Limits.Memory is held against,
// and the value itself. Who holds many messages at once can add them up before any is decoded.
func (p *Plan) Measure(data []byte, files int, lim Limits) (memory int, err error) {
	took, e := p.check(data, files, lim)
	if e != nil {
		return 0, e
	}
	return int(took + footprint(uint64(p.root.typ.Size()))), nil
}

// check returns what decoding will allocate.
func (p *Plan) check(data []byte, files int, lim Limits) (memory uint64, e *Error) {
	if files < 0 || files > MaxFiles {
		return 0, tooLarge(0, "%d descriptors, at most %d can come", files, MaxFiles)
	}
	lim = lim.orDefaults(len(data))
	c := checker{data: data, files: files, limits: lim, values: lim.Elements, memory: uint64(lim.Memory)}
	if e := c.value(p.root); e != nil {
		return 0, e
	}
	if c.off != len(data) {
		return 0, refuse(c.off, "%d trailing bytes", len(data)-c.off)
	}
	if named := c.named.count(); named != files {
		return 0, refuse(0, "%d of %d descriptors are named by nothing", files-named, files)
	}
	return uint64(lim.Memory) - c.memory, nil
}

// bitSet remembers which fields of a struct, or which descriptors, have been seen.
type bitSet [maxFields / 64]uint64

// add reports whether i was new.
func (s *bitSet) add(i int) bool {
	word, bit := &s[i/64], uint64(1)<<(i%64)
	was := *word
	*word |= bit
	return was&bit == 0
}

func (s *bitSet) count() (n int) {
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// checker is the state of one walk.
type checker struct {
	data   []byte
	off    int
	limits Limits
	depth  int    // arrays and maps around off
	values int    // still allowed
	memory uint64 // still allowed
	files  int
	named  bitSet // descriptors
}

// value checks the value at c.off against n and moves c.off behind it.
func (c *checker) value(n *node) *Error {
	at := c.off
	if c.values--; c.values < 0 {
		return tooLarge(at, "more than %d values", c.limits.Elements)
	}
	cl, num, next := parse(c.data, at)
	c.off = next
	if cl == classNil && n.nilable {
		return nil
	}
	switch n.kind {
	case kindBool:
		if cl != classBool {
			return wrong(at, cl, "a bool")
		}
	case kindInt, kindUint:
		return integer(n, at, cl, num)
	case kindFloat32:
		switch f := math.Float64frombits(num); {
		case cl == classFloat64 && (float64(float32(f)) == f || f != f):
		case cl == classFloat64:
			return refuse(at, "%v does not fit a float32", f)
		case cl != classFloat32:
			return wrong(at, cl, "a float")
		}
	case kindFloat64:
		if cl != classFloat64 && cl != classFloat32 {
			return wrong(at, cl, "a float")
		}
	case kindString:
		if cl != classString {
			return wrong(at, cl, "a string")
		}
		c.off += int(num)
		return c.charge(at, footprint(num))
	case kindBytes:
		if cl != classBin {
			return wrong(at, cl, "binary data")
		}
		c.off += int(num)
		return c.charge(at, footprint(num))
	case kindByteArray:
		if cl != classBin {
			return wrong(at, cl, "binary data")
		}
		if num != uint64(n.length) {
			return refuse(at, "%d bytes where %d belong", num, n.length)
		}
		c.off += int(num)
	case kindSlice, kindArray:
		return c.list(n, at, cl, num)
	case kindMap:
		return c.mapping(n, at, cl, num)
	case kindStruct:
		return c.structure(n, at, cl, num)
	case kindPointer:
		if e := c.charge(at, footprint(uint64(n.elem.typ.Size()))); e != nil {
			return e
		}
		c.off = at
		c.values++ // it is one value, and counted below
		return c.value(n.elem)
	case kindFile:
		if cl != classUint {
			return wrong(at, cl, "the index of a descriptor")
		}
		if num >= uint64(c.files) {
			return refuse(at, "descriptor %d of %d", num, c.files)
		}
		if !c.named.add(int(num)) {
			return refuse(at, "descriptor %d is named twice", num)
		}
	case kindTime:
		if cl != classExt {
			return wrong(at, cl, "a timestamp")
		}
		c.off += int(num)
		return checkTime(at, int8(c.data[next-1]), c.data[next:c.off])
	case kindAddr, kindAddrPort, kindPrefix:
		if cl != classBin {
			return wrong(at, cl, "an address as binary data")
		}
		c.off += int(num)
		if e := c.charge(at, footprint(num)); e != nil {
			return e
		}
		return checkAddr(n.kind, at, c.data[next:c.off])
	}
	return nil
}

func integer(n *node, at int, cl class, num uint64) *Error {
	switch {
	case cl == classUint && num <= n.max, cl == classInt && int64(num) >= n.min:
		return nil
	case cl == classUint:
		return refuse(at, "%d does not fit %v", num, n.typ)
	case cl == classInt:
		return refuse(at, "%d does not fit %v", int64(num), n.typ)
	default:
		return wrong(at, cl, "an integer")
	}
}

func (c *checker) list(n *node, at int, cl class, num uint64) *Error {
	if cl != classArray {
		return wrong(at, cl, "an array")
	}
	if n.kind == kindArray && num != uint64(n.length) {
		return refuse(at, "an array of %d where one of %d belongs", num, n.length)
	}
	if n.kind == kindSlice {
		if e := c.charge(at, footprint(num*uint64(n.elem.typ.Size()))); e != nil {
			return e
		}
	}
	if e := c.enter(at); e != nil {
		return e
	}
	for i := range int(num) {
		if e := c.value(n.elem); e != nil {
			return e.within(fmt.Sprintf("[%d]", i))
		}
	}
	c.depth--
	return nil
}

func (c *checker) structure(n *node, at int, cl class, num uint64) *Error {
	if cl != classMap {
		return wrong(at, cl, "a map")
	}
	if num > uint64(len(n.fields)) {
		return refuse(at, "%d fields, the type has %d", num, len(n.fields))
	}
	if e := c.enter(at); e != nil {
		return e
	}
	var seen bitSet
	for next := range int(num) {
		at := c.off
		cl, size, begin := parse(c.data, at)
		if cl != classString {
			return wrong(at, cl, "the name of a field")
		}
		c.off = begin + int(size)
		name := c.data[begin:c.off]
		i, ok := n.lookup(name, next)
		if !ok {
			return refuse(at, "unknown field %s", quote(name))
		}
		f := &n.fields[i]
		if !seen.add(i) {
			return refuse(at, "field %s comes twice", f.name)
		}
		if e := c.value(f.node); e != nil {
			return e.within(f.name)
		}
	}
	c.depth--
	return nil
}

func (c *checker) mapping(n *node, at int, cl class, num uint64) *Error {
	if cl != classMap {
		return wrong(at, cl, "a map")
	}
	if e := c.charge(at, mapFootprint(n, num)); e != nil {
		return e
	}
	if e := c.enter(at); e != nil {
		return e
	}
	begin, inOrder := c.off, true
	var last mapKey
	for i := range int(num) {
		at := c.off
		if e := c.value(n.key); e != nil {
			return e.within("[key]")
		}
		key, _ := keyAt(c.data, at)
		if i > 0 && key.compare(last) <= 0 {
			inOrder = false
		}
		last = key
		if e := c.value(n.elem); e != nil {
			return e.within("[" + key.String() + "]")
		}
	}
	c.depth--
	if inOrder { // strictly: none can be there twice
		return nil
	}
	return c.duplicates(begin, int(num))
}

// enter counts one more array or map around the values to come.
func (c *checker) enter(at int) *Error {
	if c.depth++; c.depth > c.limits.Depth {
		return tooLarge(at, "more than %d arrays and maps within each other", c.limits.Depth)
	}
	return nil
}

// charge takes size bytes, which decoding a value will allocate, from what may be.
func (c *checker) charge(at int, size uint64) *Error {
	if size > c.memory {
		return tooLarge(at, "decoded it would take more than %d bytes", c.limits.Memory)
	}
	c.memory -= size
	return nil
}
