package strict

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

// kind is how a node travels. It is coarser than reflect.Kind: all integers are one.
type kind uint8

const (
	kindBool kind = iota
	kindInt
	kindUint
	kindFloat32
	kindFloat64
	kindString
	kindBytes     // []byte
	kindByteArray // [N]byte
	kindSlice
	kindArray
	kindMap
	kindStruct
	kindPointer
	kindFile
	kindTime
	kindAddr
	kindAddrPort
	kindPrefix
)

// node is the plan of one type. It is never changed after NewPlan has returned.
type node struct {
	kind  kind
	typ   reflect.Type
	shape string // see Plan.Fingerprint
	depth int    // arrays and maps from here down, this one included

	nilable bool          // nil is a value of its own
	min     int64         // integers
	max     uint64        // integers
	length  int           // arrays
	empty   reflect.Value // slices: an empty one that is not nil

	elem, key *node
	fields    []field
	byName    map[string]int // index in fields
}

// field is one field of a struct that travels.
type field struct {
	*node
	name      string
	key       []byte // the name as msgpack writes it
	index     int    // in the Go struct
	omitEmpty bool
}

const (
	maxFields = 256     // in one struct: what a walk remembers of it is a fixed bit set
	maxShape  = 1 << 16 // bytes of a fingerprint: types within types within types double it each time
)

// builder makes the nodes of one Plan.
type builder struct {
	file  reflect.Type
	known map[reflect.Type]*node // nil while the type is being built
}

// node returns the plan of t, which stands at path.
func (b *builder) node(t reflect.Type, path string) (*node, error) {
	if n, seen := b.known[t]; seen {
		if n == nil {
			return nil, fmt.Errorf("strict: %s: %v is recursive and cannot travel: its depth would be the sender's choice", path, t)
		}
		return n, nil
	}
	b.known[t] = nil
	n := &node{typ: t}
	if err := b.fill(n, path); err != nil {
		return nil, err
	}
	if len(n.shape) > maxShape {
		return nil, fmt.Errorf("strict: %s: %v is too large to travel: its shape takes more than %d bytes", path, t, maxShape)
	}
	b.known[t] = n
	return n, nil
}

// fill completes n for n.typ.
func (b *builder) fill(n *node, path string) error {
	t := n.typ
	switch {
	case b.file != nil && t == b.file:
		n.kind, n.shape, n.nilable = kindFile, "file", true
		return nil
	case t == reflect.TypeFor[time.Time]():
		n.kind, n.shape = kindTime, "time"
		return nil
	case t == reflect.TypeFor[netip.Addr]():
		n.kind, n.shape = kindAddr, "addr"
		return nil
	case t == reflect.TypeFor[netip.AddrPort]():
		n.kind, n.shape = kindAddrPort, "addrport"
		return nil
	case t == reflect.TypeFor[netip.Prefix]():
		n.kind, n.shape = kindPrefix, "prefix"
		return nil
	case t == osFileType:
		return fmt.Errorf("strict: %s: a bare *os.File cannot travel: use privsep.File", path)
	}
	if name := foreignCodec(t); name != "" {
		return fmt.Errorf("strict: %s: %v has a codec of its own (%s) and cannot travel: convert it to a plain type", path, t, name)
	}
	switch t.Kind() {
	case reflect.Bool:
		n.kind, n.shape = kindBool, "bool"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n.kind = kindInt
		n.min, n.max = math.MinInt64>>(64-t.Bits()), math.MaxInt64>>(64-t.Bits())
		n.shape = "i" + wireBits(t, reflect.Int)
		if t == reflect.TypeFor[time.Duration]() {
			n.shape = "duration"
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n.kind, n.max = kindUint, math.MaxUint64>>(64-t.Bits())
		n.shape = "u" + wireBits(t, reflect.Uint)
	case reflect.Float32:
		n.kind, n.shape = kindFloat32, "f32"
	case reflect.Float64:
		n.kind, n.shape = kindFloat64, "f64"
	case reflect.String:
		n.kind, n.shape = kindString, "str"
	case reflect.Slice, reflect.Array:
		return b.list(n, path)
	case reflect.Map:
		return b.mapping(n, path)
	case reflect.Struct:
		return b.structure(n, path)
	case reflect.Pointer:
		return b.pointer(n, path)
	default: // interfaces, functions, channels, complex numbers, uintptr, unsafe pointers
		return fmt.Errorf("strict: %s: %v (%v) cannot travel: only plain data does", path, t, t.Kind())
	}
	return nil
}

// wireBits is the width of an integer in a fingerprint: int and uint are 64 bits wide there whatever the machine.
func wireBits(t reflect.Type, native reflect.Kind) string {
	if t.Kind() == native {
		return "64"
	}
	return fmt.Sprint(t.Bits())
}

func (b *builder) list(n *node, path string) (err error) {
	t := n.typ
	if n.elem, err = b.node(t.Elem(), path+"[]"); err != nil {
		return err
	}
	bytes := t.Elem().Kind() == reflect.Uint8
	n.depth = 1 + n.elem.depth
	if t.Kind() == reflect.Slice {
		n.kind, n.nilable, n.shape = kindSlice, true, "[]"+n.elem.shape
		n.empty = reflect.MakeSlice(t, 0, 0)
		if bytes {
			n.kind, n.depth, n.shape = kindBytes, 0, "bin"
		}
		return nil
	}
	n.kind, n.length, n.shape = kindArray, t.Len(), fmt.Sprintf("[%d]%s", t.Len(), n.elem.shape)
	if bytes {
		n.kind, n.depth, n.shape = kindByteArray, 0, fmt.Sprintf("bin[%d]", t.Len())
	}
	return nil
}

func (b *builder) mapping(n *node, path string) (err error) {
	if n.key, err = b.node(n.typ.Key(), path+"[key]"); err != nil {
		return err
	}
	if k := n.key.kind; k != kindString && k != kindInt && k != kindUint {
		return fmt.Errorf("strict: %s: a map with keys of %v cannot travel: only strings and integers are keys", path, n.typ.Key())
	}
	if n.elem, err = b.node(n.typ.Elem(), path+"[]"); err != nil {
		return err
	}
	n.kind, n.nilable, n.depth = kindMap, true, 1+n.elem.depth
	n.shape = "map[" + n.key.shape + "]" + n.elem.shape
	return nil
}

func (b *builder) pointer(n *node, path string) (err error) {
	if n.elem, err = b.node(n.typ.Elem(), path); err != nil {
		return err
	}
	if n.elem.nilable {
		return fmt.Errorf("strict: %s: a pointer to %v cannot travel: both can be nil, and on the wire there is one nil", path, n.typ.Elem())
	}
	n.kind, n.nilable, n.depth, n.shape = kindPointer, true, n.elem.depth, "*"+n.elem.shape
	return nil
}

func (b *builder) structure(n *node, path string) error {
	n.kind, n.depth, n.byName = kindStruct, 1, make(map[string]int)
	for i := range n.typ.NumField() {
		sf := n.typ.Field(i)
		at := path + "." + sf.Name
		f, err := newField(sf, at)
		if err != nil {
			return err
		}
		if f == nil {
			continue
		}
		if f.node, err = b.node(sf.Type, at); err != nil {
			return err
		}
		if other, taken := n.byName[f.name]; taken {
			return fmt.Errorf("strict: %s: the name %q is taken by field %s", at, f.name, n.typ.Field(n.fields[other].index).Name)
		}
		n.byName[f.name] = len(n.fields)
		n.fields = append(n.fields, *f)
		n.depth = max(n.depth, 1+f.depth)
	}
	if len(n.fields) > maxFields {
		return fmt.Errorf("strict: %s: a struct of %d fields cannot travel: at most %d do", path, len(n.fields), maxFields)
	}
	parts := make([]string, len(n.fields))
	for i, f := range n.fields {
		parts[i] = f.name + ":" + f.shape
	}
	slices.Sort(parts)
	n.shape = "{" + strings.Join(parts, ",") + "}"
	return nil
}

// newField reads the tag of one field; nil for a field that is left out.
func newField(sf reflect.StructField, at string) (*field, error) {
	name, options, _ := strings.Cut(sf.Tag.Get("msgpack"), ",")
	switch {
	case name == "-":
		return nil, nil
	case sf.Anonymous:
		return nil, fmt.Errorf("strict: %s: an embedded field cannot travel: give it a name, or leave it out with the tag msgpack:\"-\"", at)
	case !sf.IsExported():
		return nil, fmt.Errorf("strict: %s: an unexported field cannot travel: export it, or leave it out with the tag msgpack:\"-\"", at)
	case options != "" && options != "omitempty":
		return nil, fmt.Errorf("strict: %s: tag option %q is not supported: only omitempty is", at, options)
	case name == "":
		name = sf.Name
	}
	if strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.", r)
	}) {
		return nil, fmt.Errorf("strict: %s: the name %q has characters other than letters, digits, '_', '-' and '.'", at, name)
	}
	var w Writer
	w.String(name)
	return &field{name: name, key: w.Buf, index: sf.Index[0], omitEmpty: options != ""}, nil
}

// lookup finds a field by its name. Our own sender writes the fields in order, so the next one is tried first.
func (n *node) lookup(name []byte, next int) (index int, ok bool) {
	if next < len(n.fields) && n.fields[next].name == string(name) {
		return next, true
	}
	index, ok = n.byName[string(name)]
	return index, ok
}
