package strict

import "encoding/binary"

// class is what the first byte of a value says it is, or what is wrong with it.
type class uint8

const (
	classShort class = iota // the bytes end within the value
	classNever              // 0xc1, which no value begins with
	classOver               // a length or count that the bytes left cannot hold
	classNil
	classBool
	classUint // all integers from 0 up, however they were written
	classInt  // negative integers
	classFloat32
	classFloat64
	classString
	classBin
	classArray
	classMap
	classExt
)

var classNames = [...]string{
	classNil: "nil", classBool: "a bool", classUint: "an integer", classInt: "a negative integer",
	classFloat32: "a float 32", classFloat64: "a float 64", classString: "a string", classBin: "binary data",
	classArray: "an array", classMap: "a map", classExt: "an extension",
}

// form is how a value that begins with one of 0xc0 to 0xdf goes on: with a big-endian number of width bytes, or, for
// width 0, with n.
type form struct {
	class class
	width uint8
	n     uint8
}

// forms is the table of msgpack's specification, from 0xc0.
var forms = [32]form{
	{classNil, 0, 0}, {classNever, 0, 0}, {classBool, 0, 0}, {classBool, 0, 1},
	{classBin, 1, 0}, {classBin, 2, 0}, {classBin, 4, 0}, {classExt, 1, 0},
	{classExt, 2, 0}, {classExt, 4, 0}, {classFloat32, 4, 0}, {classFloat64, 8, 0},
	{classUint, 1, 0}, {classUint, 2, 0}, {classUint, 4, 0}, {classUint, 8, 0},
	{classInt, 1, 0}, {classInt, 2, 0}, {classInt, 4, 0}, {classInt, 8, 0},
	{classExt, 0, 1}, {classExt, 0, 2}, {classExt, 0, 4}, {classExt, 0, 8},
	{classExt, 0, 16}, {classString, 1, 0}, {classString, 2, 0}, {classString, 4, 0},
	{classArray, 2, 0}, {classArray, 4, 0}, {classMap, 2, 0}, {classMap, 4, 0},
}

// parse reads the head of the value at off. n is, by class: 0 or 1; an integer's 64 bits; a float's bits; the length of
// a string, bin or ext; the count of an array or of a map's pairs. next is where the content begins (of an ext: after
// its type byte). A length or count is never above what the bytes left can hold: this is the only place that reads
// them, so it is the only place to refuse `dd ff ff ff ff`.
func parse(data []byte, off int) (c class, n uint64, next int) {
	if off >= len(data) {
		return classShort, 0, off
	}
	b := data[off]
	off++
	switch {
	case b < 0x80:
		return classUint, uint64(b), off
	case b >= 0xe0:
		return classInt, uint64(int64(int8(b))), off
	case b < 0x90:
		c, n = classMap, uint64(b&0x0f)
	case b < 0xa0:
		c, n = classArray, uint64(b&0x0f)
	case b < 0xc0:
		c, n = classString, uint64(b&0x1f)
	default:
		f := forms[b-0xc0]
		if len(data)-off < int(f.width) {
			return classShort, 0, off
		}
		c = f.class
		switch num := data[off:]; f.width {
		case 0:
			n = uint64(f.n)
		case 1:
			n = uint64(num[0])
		case 2:
			n = uint64(binary.BigEndian.Uint16(num))
		case 4:
			n = uint64(binary.BigEndian.Uint32(num))
		case 8:
			n = binary.BigEndian.Uint64(num)
		}
		off += int(f.width)
		if c == classInt {
			shift := 64 - 8*uint(f.width)
			if n = uint64(int64(n<<shift) >> shift); int64(n) >= 0 {
				c = classUint
			}
			return c, n, off
		}
		if c == classExt {
			if off >= len(data) {
				return classShort, 0, off
			}
			off++
		}
	}
	left := uint64(len(data) - off)
	switch c {
	case classString, classBin, classExt, classArray:
		if n > left {
			return classOver, 0, off
		}
	case classMap:
		if n > left/2 {
			return classOver, 0, off
		}
	}
	return c, n, off
}

// scan finds the end of the value at off, within lim. It does not recurse (20 MB of 0x91 overflow the stack of a
// decoder that does) and remembers one number a level.
func scan(data []byte, off int, lim Limits) (end int, e *Error) {
	lim = lim.orDefaults(0)
	var levels [DefaultDepth]uint64
	stack := levels[:0]   // values still to come in the arrays and maps around this one
	left := uint64(1)     // values still to come in this one
	count := lim.Elements // values still allowed
	for {
		for left == 0 {
			if len(stack) == 0 {
				return off, nil
			}
			left, stack = stack[len(stack)-1], stack[:len(stack)-1]
		}
		left--
		if count--; count < 0 {
			return 0, tooLarge(off, "more than %d values", lim.Elements)
		}
		c, n, next := parse(data, off)
		switch c {
		case classShort, classNever, classOver:
			return 0, broken(off, c)
		case classString, classBin, classExt:
			next += int(n)
		case classMap:
			n *= 2
			fallthrough
		case classArray:
			if len(stack) >= lim.Depth {
				return 0, tooLarge(off, "more than %d arrays and maps within each other", lim.Depth)
			}
			stack = append(stack, left)
			left = n
		}
		off = next
	}
}

// orDefaults fills in what is zero, for a message of size bytes.
func (l Limits) orDefaults(size int) Limits {
	if l.Depth <= 0 {
		l.Depth = DefaultDepth
	}
	if l.Elements <= 0 {
		l.Elements = DefaultElements
	}
	if l.Memory <= 0 {
		l.Memory = memoryFactor*size + memoryFloor
	}
	return l
}
