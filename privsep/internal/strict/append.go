package strict

import (
	"fmt"
	"math"
	"net/netip"
	"os"
	"reflect"
	"sort"
	"time"
)

// Append writes v, a value of the plan's type or a pointer to one (which saves a copy), behind dst, and appends to files
// the *os.File of each file in v that is not nil; what travels for it is its index there, so files begins with what
// the frame brings already. On an error dst and files come back as they were; it names the field whose value cannot
// travel: a time outside of the years 1 to 9999, a zone longer than 15 bytes, more than MaxFiles files, 4 GiB of anything.
// Append neither closes files nor keeps them. It does not know the reader's Limits.
func (p *Plan) Append(dst []byte, v any, files []*os.File) ([]byte, []*os.File, error) {
	rv := reflect.ValueOf(v)
	switch {
	case !rv.IsValid():
		return dst, files, refuse(-1, "nil where %v belongs", p.root.typ)
	case rv.Type() == p.root.typ: // a copy that can be addressed: bytes of arrays are reached by address only
		box := reflect.New(p.root.typ).Elem()
		box.Set(rv)
		rv = box
	case rv.Kind() == reflect.Pointer && rv.Type().Elem() == p.root.typ && !rv.IsNil():
		rv = rv.Elem()
	default:
		return dst, files, refuse(-1, "%v where %v belongs, or it is nil", rv.Type(), p.root.typ)
	}
	enc, _ := p.encoders.Get().(*encoder)
	if enc == nil {
		enc = new(encoder)
	}
	enc.Buf, enc.files = dst, files
	e := enc.value(p.root, rv)
	out, outFiles := enc.Buf, enc.files
	enc.Buf, enc.files = nil, nil
	p.encoders.Put(enc)
	if e != nil {
		return dst, files, e
	}
	return out, outFiles, nil
}

// encoder is the state of one Append.
type encoder struct {
	Writer
	files []*os.File
}

// value writes v, which can be addressed.
func (e *encoder) value(n *node, v reflect.Value) *Error {
	switch n.kind {
	case kindBool:
		e.Bool(v.Bool())
	case kindInt:
		e.Int(v.Int())
	case kindUint:
		e.Uint(v.Uint())
	case kindFloat32:
		e.float32(float32(v.Float()))
	case kindFloat64:
		e.float64(v.Float())
	case kindString:
		if uint64(v.Len()) > math.MaxUint32 {
			return oversize(v)
		}
		e.String(v.String())
	case kindBytes:
		if v.IsNil() {
			e.Nil()
			return nil
		}
		fallthrough
	case kindByteArray:
		if uint64(v.Len()) > math.MaxUint32 {
			return oversize(v)
		}
		e.Bytes(v.Bytes())
	case kindSlice, kindArray:
		return e.list(n, v)
	case kindMap:
		return e.mapping(n, v)
	case kindStruct:
		return e.structure(n, v)
	case kindPointer:
		if v.IsNil() {
			e.Nil()
			return nil
		}
		return e.value(n.elem, v.Elem())
	case kindFile:
		return e.file(v)
	case kindTime:
		return e.time(*v.Addr().Interface().(*time.Time))
	case kindAddr:
		return e.addr(*v.Addr().Interface().(*netip.Addr))
	case kindAddrPort:
		ap := *v.Addr().Interface().(*netip.AddrPort)
		return e.addr(ap.Addr(), byte(ap.Port()), byte(ap.Port()>>8)) // little-endian, as MarshalBinary writes it
	case kindPrefix:
		p := *v.Addr().Interface().(*netip.Prefix)
		return e.addr(p.Addr(), byte(p.Bits())) // −1 becomes 255
	}
	return nil
}

func oversize(v reflect.Value) *Error { return tooLarge(-1, "a length of %d", v.Len()) }

func (e *encoder) file(v reflect.Value) *Error {
	f := v.Field(0).Interface().(*os.File)
	if f == nil {
		e.Nil()
		return nil
	}
	if len(e.files) >= MaxFiles {
		return tooLarge(-1, "more than %d open files in one message", MaxFiles)
	}
	e.Uint(uint64(len(e.files)))
	e.files = append(e.files, f)
	return nil
}

func (e *encoder) list(n *node, v reflect.Value) *Error {
	if n.kind == kindSlice && v.IsNil() {
		e.Nil()
		return nil
	}
	if uint64(v.Len()) > math.MaxUint32 {
		return oversize(v)
	}
	e.Array(v.Len())
	for i := range v.Len() {
		if err := e.value(n.elem, v.Index(i)); err != nil {
			return err.within(fmt.Sprintf("[%d]", i))
		}
	}
	return nil
}

func (e *encoder) structure(n *node, v reflect.Value) *Error {
	count := len(n.fields)
	for i := range n.fields {
		if f := &n.fields[i]; f.omitEmpty && f.zero(v.Field(f.index)) {
			count--
		}
	}
	e.Map(count)
	for i := range n.fields {
		f := &n.fields[i]
		fv := v.Field(f.index)
		if f.omitEmpty && f.zero(fv) {
			continue
		}
		e.Raw(f.key)
		if err := e.value(f.node, fv); err != nil {
			return err.within(f.name)
		}
	}
	return nil
}

// zero reports whether leaving v out brings back the same value. It is not reflect's IsZero, to which −0 is zero and a
// time in another zone than UTC is not.
func (n *node) zero(v reflect.Value) bool {
	switch n.kind {
	case kindTime:
		return v.Addr().Interface().(*time.Time).IsZero()
	case kindFloat32, kindFloat64:
		return math.Float64bits(v.Float()) == 0
	case kindStruct:
		for i := range n.fields {
			if f := &n.fields[i]; !f.zero(v.Field(f.index)) {
				return false
			}
		}
		return true
	case kindArray:
		for i := range n.length {
			if !n.elem.zero(v.Index(i)) {
				return false
			}
		}
		return true
	}
	return v.IsZero()
}

// mapping writes the pairs in ascending order of their keys: one value has one encoding, and Check, which sees the
// order, needs no memory to find duplicates.
func (e *encoder) mapping(n *node, v reflect.Value) *Error {
	if v.IsNil() {
		e.Nil()
		return nil
	}
	if uint64(v.Len()) > math.MaxUint32 {
		return oversize(v)
	}
	keys := v.MapKeys()
	sort.Slice(keys, func(i, j int) bool {
		switch a, b := keys[i], keys[j]; n.key.kind {
		case kindInt:
			return a.Int() < b.Int()
		case kindUint:
			return a.Uint() < b.Uint()
		default:
			return a.String() < b.String()
		}
	})
	e.Map(len(keys))
	elem := reflect.New(n.elem.typ).Elem()
	for _, key := range keys {
		if err := e.value(n.key, key); err != nil {
			return err.within("[key]")
		}
		elem.Set(v.MapIndex(key))
		if err := e.value(n.elem, elem); err != nil {
			return err.within("[" + describe(n.key, key) + "]")
		}
	}
	return nil
}

// describe shows a key in an error as mapKey.String does.
func describe(n *node, key reflect.Value) string {
	switch n.kind {
	case kindInt:
		return fmt.Sprint(key.Int())
	case kindUint:
		return fmt.Sprint(key.Uint())
	default:
		return quote([]byte(key.String()))
	}
}
