package strict

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// allocated is how many bytes f allocates, whether or not they are garbage afterwards.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestCheckAllocatesNothing that a message merely claims. What is refused costs an error.
func TestCheckAllocatesNothing(t *testing.T) {
	bombs := map[string][]byte{
		"4 Gi elements":           unhex(t, "ddffffffff"),
		"4 Gi pairs":              unhex(t, "dfffffffff"),
		"4 GiB of string":         unhex(t, "dbffffffff"),
		"4 GiB of ext":            unhex(t, "c9ffffffffff"),
		"20 MB of 0x91":           bytes.Repeat([]byte{0x91}, 20<<20),
		"20 MB of 0x81":           bytes.Repeat([]byte{0x81}, 20<<20),
		"16 MiB of empty strings": append(unhex(t, "dd00ffffff"), bytes.Repeat([]byte{0xa0}, 1<<24)...),
		"16 MiB of empty maps":    append(unhex(t, "dd00ffffff"), bytes.Repeat([]byte{0x80}, 1<<24)...),
		"a million claims within each other": append(unhex(t, "dd00100000"),
			bytes.Repeat(unhex(t, "dd000fffff"), 1<<20)...),
	}
	type big struct {
		A [1024]byte
		S []*big2
	}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[[]string](), reflect.TypeFor[map[string]string](), reflect.TypeFor[[][][]int](), reflect.TypeFor[string](),
		reflect.TypeFor[[]big](), reflect.TypeFor[map[string]map[string]big](), reflect.TypeFor[every](),
	} {
		p := mustPlan(t, typ)
		for name, data := range bombs {
			if got := allocated(func() { _ = p.Check(data, 0, Limits{}) }); got > 16<<10 {
				t.Errorf("%s: to check them as %v takes %d bytes", name, typ, got)
			}
			v := reflect.New(typ).Interface()
			if got, most := allocated(func() { _ = p.Decode(data, nil, v) }), uint64(8*len(data)+1<<20+64<<10); got > most {
				t.Errorf("%s: to decode them as %v takes %d bytes", name, typ, got)
			}
		}
	}
	for name, data := range bombs {
		if got := allocated(func() { _, _ = NewReader(data).Value() }); got > 16<<10 {
			t.Errorf("%s: to pass them takes %d bytes", name, got)
		}
	}
}

type big2 struct{ B [512]byte }

// TestAmplification: one byte can stand for a kilobyte of Go values. The estimate that Limits.Memory is held against
// must not be below what Decode allocates, whatever the type; where it refuses, Check has allocated nothing.
func TestAmplification(t *testing.T) {
	type kilo struct{ A [1024]byte }
	array := func(n int, elem string) []byte {
		return append([]byte{0xdd, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, bytes.Repeat(unhex(t, elem), n)...)
	}
	keyed := func(n int, elem string) []byte { // keys of three bytes, ascending
		var b bytes.Buffer
		b.Write([]byte{0xdf, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		for i := range n {
			b.Write([]byte{0xcd, byte(i >> 8), byte(i)})
			b.Write(unhex(t, elem))
		}
		return b.Bytes()
	}
	for _, test := range []struct {
		typ   reflect.Type
		bytes func(n int) []byte
	}{
		{reflect.TypeFor[[]kilo](), func(n int) []byte { return array(n, "80") }},
		{reflect.TypeFor[[]*kilo](), func(n int) []byte { return array(n, "80") }},
		{reflect.TypeFor[[]*bool](), func(n int) []byte { return array(n, "c2") }},
		{reflect.TypeFor[[]string](), func(n int) []byte { return array(n, "a0") }},
		{reflect.TypeFor[[]string](), func(n int) []byte { return array(n, "a1 'x") }},
		{reflect.TypeFor[[]string](), func(n int) []byte { return array(n, "b1 'aaaaaaaaaaaaaaaaa") }},
		{reflect.TypeFor[[][]byte](), func(n int) []byte { return array(n, "c400") }},
		{reflect.TypeFor[[][]byte](), func(n int) []byte { return array(n, "c401ff") }},
		{reflect.TypeFor[[][]int](), func(n int) []byte { return array(n, "90") }},
		{reflect.TypeFor[[][]int](), func(n int) []byte { return array(n, "9100") }},
		{reflect.TypeFor[[][]kilo](), func(n int) []byte { return array(n, "9180") }},
		{reflect.TypeFor[[]every](), func(n int) []byte { return array(n, "80") }},
		{reflect.TypeFor[[]netip.Addr](), func(n int) []byte { return array(n, "c411 fe800000000000000000000000000001 'l") }},
		{reflect.TypeFor[[]map[string]int](), func(n int) []byte { return array(n, "80") }},
		{reflect.TypeFor[[]map[string]int](), func(n int) []byte { return array(n, "81a000") }},
		{reflect.TypeFor[[]map[string][128]byte](), func(n int) []byte { return array(n, "81a0 c480"+strings.Repeat("00", 128)) }},
		{reflect.TypeFor[[]map[int8]kilo](), func(n int) []byte { return array(n, "810080") }},
		{reflect.TypeFor[[]map[int8]small](), func(n int) []byte { return array(n, "810080") }},
		{reflect.TypeFor[map[int]struct{}](), func(n int) []byte { return keyed(min(n, 1<<16), "80") }},
		{reflect.TypeFor[map[int]bool](), func(n int) []byte { return keyed(min(n, 1<<16), "c2") }},
		{reflect.TypeFor[map[int]small](), func(n int) []byte { return keyed(min(n, 1<<16), "80") }},
		{reflect.TypeFor[map[int]kilo](), func(n int) []byte { return keyed(min(n, 1<<16), "80") }},
		{reflect.TypeFor[map[int]map[int]int](), func(n int) []byte { return keyed(min(n, 1<<16), "80") }},
	} {
		p := mustPlan(t, test.typ)
		for _, n := range []int{1, 7, 8, 9, 29, 897, 1000, 20000} {
			data := test.bytes(n)
			estimate := leastMemory(t, p, data)
			measured, err := p.Measure(data, 0, Limits{Memory: 1 << 30})
			if whole := estimate + int(footprint(uint64(test.typ.Size()))); err != nil || measured != whole {
				t.Errorf("%v of %d: measured %d bytes, %v; Limits.Memory and the value itself are %d", test.typ, n, measured, err, whole)
			}
			// The count is the whole process's: the least of a few is what decoding itself takes.
			got := uint64(1 << 62)
			for range 5 {
				v := reflect.New(test.typ).Interface()
				got = min(got, allocated(func() {
					if err := p.DecodeWithin(data, nil, v, Limits{Memory: estimate}); err != nil {
						t.Fatal(err)
					}
				}))
			}
			if got > uint64(estimate)+4096 {
				t.Errorf("%v of %d: %d bytes allocated, estimated %d", test.typ, n, got, estimate)
			}
			if estimate > 8*int(got)+1024 {
				t.Errorf("%v of %d: %d bytes allocated, estimated %d: it refuses what is harmless", test.typ, n, got, estimate)
			}
		}
		runtime.GC()
	}
}

// leastMemory is the smallest Limits.Memory within which data passes.
func leastMemory(t *testing.T, p *Plan, data []byte) int {
	t.Helper()
	low, high := 1, 1<<30
	if p.Check(data, 0, Limits{Memory: high}) != nil {
		t.Fatal(p.Check(data, 0, Limits{Memory: high}))
	}
	for low < high {
		if mid := (low + high) / 2; p.Check(data, 0, Limits{Memory: mid}) == nil {
			high = mid
		} else if !errors.Is(p.Check(data, 0, Limits{Memory: mid}), ErrTooLarge) {
			t.Fatal("refused for something else")
		} else {
			low = mid + 1
		}
	}
	return low
}

// TestDefaultsAreRoomy: what services send passes within the default limits.
func TestDefaultsAreRoomy(t *testing.T) {
	var lines []string
	var rows []small
	env := make(map[string]string)
	for i := range 20000 {
		lines = append(lines, fmt.Sprint(i))
		rows = append(rows, small{Link: fmt.Sprint("tap", i), MTU: 1500, MAC: make([]byte, 6)})
		env[fmt.Sprint("NAME", i)] = "x"
	}
	for _, v := range []any{
		lines, rows, env, make([]int, 250000), make([]string, 50000), make([]byte, 16<<20), strings.Repeat("x", 16<<20),
	} {
		p := mustPlan(t, reflect.TypeOf(v))
		data, _, err := p.Append(nil, v, nil)
		if err == nil {
			err = p.Check(data, 0, Limits{})
		}
		if err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
}

// TestUnorderedKeys: maps in descending order, maps of that kind within them, cost one list of keys each.
func TestUnorderedKeys(t *testing.T) {
	var w Writer
	const n = 1 << 15
	w.Map(n)
	for i := range n {
		w.Uint(uint64(n - i))
		w.Map(2)
		w.String("b")
		w.Uint(1)
		w.String("a")
		w.Uint(2)
	}
	p := planOf[map[int]map[string]int](t)
	lim := Limits{Memory: 64 << 20}
	if got := allocated(func() {
		if err := p.Check(w.Buf, 0, lim); err != nil {
			t.Fatal(err)
		}
	}); got > 8<<20 {
		t.Errorf("%d bytes allocated for %d keys", got, 3*n)
	}
	w.Buf[len(w.Buf)-2] = 'b' // the last of the inner maps has "b" twice now
	if err := p.Check(w.Buf, 0, lim); err == nil || !strings.Contains(err.Error(), `key "b" comes twice`) {
		t.Error(err)
	}
}
