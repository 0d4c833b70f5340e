package strict

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

var smallValue = small{Link: "eth0", MTU: 1500, Up: true, MAC: []byte{1, 2, 3, 4, 5, 6}}

func BenchmarkAppendSmall(b *testing.B) {
	p := planOf[small](b)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _, _ = p.Append(buf[:0], &smallValue, nil)
	}
}

func BenchmarkCheckSmall(b *testing.B) {
	p := planOf[small](b)
	data, _, _ := p.Append(nil, &smallValue, nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Check(data, 0, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeSmall(b *testing.B) {
	p := planOf[small](b)
	data, _, _ := p.Append(nil, &smallValue, nil)
	var v small
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Decode(data, nil, &v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBothSmall(b *testing.B) {
	p := planOf[small](b)
	var buf []byte
	var v small
	b.ReportAllocs()
	for b.Loop() {
		buf, _, _ = p.Append(buf[:0], &smallValue, nil)
		if err := p.Decode(buf, nil, &v); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLibrarySmall is the same by vmihailenco/msgpack alone, which checks nothing.
func BenchmarkLibrarySmall(b *testing.B) {
	var v small
	b.ReportAllocs()
	for b.Loop() {
		data, _ := msgpack.Marshal(&smallValue)
		if err := msgpack.Unmarshal(data, &v); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHeader is the head of a CALL, written and read.
func BenchmarkHeader(b *testing.B) {
	var w Writer
	args := []byte{0x80}
	b.ReportAllocs()
	for b.Loop() {
		w.Buf = w.Buf[:0]
		w.Array(5)
		w.Uint(3)
		w.Uint(77)
		w.String("set_mtu")
		w.Raw(args)
		w.Int(1_000_000_000)
		r := NewReader(w.Buf)
		if n, err := r.Array(); n != 5 || err != nil {
			b.Fatal(err)
		}
		_, _ = r.Uint(9)
		_, _ = r.Uint(1 << 62)
		_, _ = r.String(100)
		_, _ = r.Value()
		_, _ = r.Int()
		if err := r.End(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWalk is the speed of looking at a megabyte: the plain scan of Value, and Check against a plan.
func BenchmarkWalk(b *testing.B) {
	var rows []small
	for i := range 20000 {
		v := smallValue
		v.Link = fmt.Sprint("tap", i)
		rows = append(rows, v)
	}
	lines := make([]string, 30000)
	for i := range lines {
		lines[i] = fmt.Sprintf("-A neutron-openvswi-o%08x -m set --match-set", i)
	}
	for _, bench := range []struct {
		name  string
		value any
	}{
		{"structs", rows},
		{"lines", lines},
		{"numbers", make([]int, 200_000)},
		{"bytes", bytes.Repeat([]byte{1}, 1<<20)},
	} {
		p := mustPlan(b, reflect.TypeOf(bench.value))
		data, _, _ := p.Append(nil, bench.value, nil)
		b.Run("scan/"+bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := NewReader(data).Value(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("check/"+bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Check(data, 0, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
