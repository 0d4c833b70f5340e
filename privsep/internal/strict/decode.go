package strict

import (
	"math"
	"net/netip"
	"os"
	"reflect"
	"time"
)

// Decode reads a message into v, a pointer to a value of the plan's type, after Check has passed all of it within the
// default Limits. Nothing of data is kept. Each of files comes to lie in exactly one place of v; after an error v is
// zero and files are still the caller's.
func (p *Plan) Decode(data []byte, files []*os.File, v any) error {
	return p.DecodeWithin(data, files, v, Limits{})
}

// DecodeWithin is Decode with Limits. It makes the call of Check, so that a caller has no need to.
func (p *Plan) DecodeWithin(data []byte, files []*os.File, v any, lim Limits) error {
	rv := reflect.ValueOf(v)
	if !rv.IsValid() || rv.Kind() != reflect.Pointer || rv.IsNil() || rv.Type().Elem() != p.root.typ {
		return refuse(-1, "Decode wants a pointer to %v, not %T", p.root.typ, v)
	}
	rv = rv.Elem()
	rv.SetZero()
	if _, e := p.check(data, len(files), lim); e != nil {
		return e
	}
	d := decoder{data: data, files: files}
	d.value(p.root, rv)
	return nil
}

// decoder is the state of one Decode. It runs only over bytes that check has passed in the same call, and reads them by
// the same parse: a value is what its node says, fits, and is there in full.
type decoder struct {
	data  []byte
	off   int
	files []*os.File
	pairs map[*node]pair // one for each type of map: no type is within itself
}

// value sets v, which is zero, to what stands at d.off, and moves d.off behind it.
func (d *decoder) value(n *node, v reflect.Value) {
	at := d.off
	cl, num, next := parse(d.data, at)
	d.off = next
	if cl == classNil {
		return
	}
	switch n.kind {
	case kindBool:
		v.SetBool(num != 0)
	case kindInt:
		v.SetInt(int64(num))
	case kindUint:
		v.SetUint(num)
	case kindFloat32, kindFloat64:
		if cl == classFloat32 {
			v.SetFloat(float64(math.Float32frombits(uint32(num))))
		} else {
			v.SetFloat(math.Float64frombits(num))
		}
	case kindString:
		v.SetString(string(d.take(num)))
	case kindBytes:
		v.SetBytes(append(make([]byte, 0, num), d.take(num)...))
	case kindByteArray:
		copy(v.Bytes(), d.take(num))
	case kindSlice:
		d.slice(n, v, int(num))
	case kindArray:
		for i := range n.length {
			d.value(n.elem, v.Index(i))
		}
	case kindMap:
		d.mapping(n, v, int(num))
	case kindStruct:
		for i := range int(num) {
			_, size, begin := parse(d.data, d.off)
			d.off = begin
			j, _ := n.lookup(d.take(size), i)
			f := &n.fields[j]
			d.value(f.node, v.Field(f.index))
		}
	case kindPointer:
		elem := reflect.New(n.elem.typ)
		d.off = at
		d.value(n.elem, elem.Elem())
		v.Set(elem.Convert(n.typ)) // the pointer's type may have a name
	case kindFile:
		v.Field(0).Set(reflect.ValueOf(d.files[num]))
	case kindTime:
		sec, nsec, _ := readTime(d.take(num))
		*v.Addr().Interface().(*time.Time) = time.Unix(sec, int64(nsec)).UTC()
	case kindAddr:
		_ = v.Addr().Interface().(*netip.Addr).UnmarshalBinary(d.take(num)) // checkAddr has passed it
	case kindAddrPort:
		_ = v.Addr().Interface().(*netip.AddrPort).UnmarshalBinary(d.take(num))
	case kindPrefix:
		_ = v.Addr().Interface().(*netip.Prefix).UnmarshalBinary(d.take(num))
	}
}

// take returns the next n bytes, which stay the message's.
func (d *decoder) take(n uint64) []byte {
	begin := d.off
	d.off += int(n)
	return d.data[begin:d.off]
}

func (d *decoder) slice(n *node, v reflect.Value, count int) {
	if count == 0 {
		v.Set(n.empty)
		return
	}
	v.Grow(count) // as MakeSlice, without its second allocation, for the header
	v.SetLen(count)
	for i := range count {
		d.value(n.elem, v.Index(i))
	}
}

// pair is a key and an element of a map on their way into it.
type pair struct{ key, elem reflect.Value }

func (d *decoder) mapping(n *node, v reflect.Value, count int) {
	v.Set(reflect.MakeMapWithSize(n.typ, count))
	if count == 0 {
		return
	}
	p, ok := d.pairs[n]
	if !ok {
		p = pair{reflect.New(n.key.typ).Elem(), reflect.New(n.elem.typ).Elem()}
		if d.pairs == nil {
			d.pairs = make(map[*node]pair)
		}
		d.pairs[n] = p
	}
	for range count {
		p.key.SetZero()
		p.elem.SetZero()
		d.value(n.key, p.key)
		d.value(n.elem, p.elem)
		v.SetMapIndex(p.key, p.elem)
	}
}
