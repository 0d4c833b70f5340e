package strict

import (
	"bytes"
	"errors"
	"math/rand"
	"reflect"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// fuzzed are the types that hostile bytes are held against. The last is read by the library as well.
var fuzzed = []reflect.Type{
	reflect.TypeFor[every](), reflect.TypeFor[struct{}](), reflect.TypeFor[[]every](), reflect.TypeFor[map[string]map[int8][]File](),
	reflect.TypeFor[[]map[uint16]*small](), reflect.TypeFor[[2][]*[3]int16](), reflect.TypeFor[small](), reflect.TypeFor[plain](),
}

// fuzzLimits are small, so that the fuzzer meets them.
var fuzzLimits = Limits{Depth: 6, Elements: 2000, Memory: 1 << 20}

// FuzzCheckDecode: whatever comes, Check and Decode agree, allocate no more than they may, and take each file once; what
// they take is sent again as the same value in one canonical encoding.
func FuzzCheckDecode(f *testing.F) {
	r := rand.New(rand.NewSource(1))
	plans := make([]*Plan, len(fuzzed))
	for i, typ := range fuzzed {
		plans[i] = mustPlan(f, typ)
		for range 6 {
			v := reflect.New(typ)
			randomize(r, v.Elem(), 3)
			if data, files, err := plans[i].Append(nil, v.Interface(), nil); err == nil && len(data) < 2000 {
				f.Add(data, byte(i), byte(len(files)))
			}
		}
	}
	for _, test := range golden {
		if data := unhex(f, test.bytes); len(data) < 2000 {
			f.Add(data, byte(0), byte(0))
		}
	}
	f.Add(unhex(f, "82 a7 'Float64 cb7ff8000000000000 a7 'Float32 ca7fc00000"), byte(0), byte(0))
	for _, bomb := range []string{"ddffffffff", "dfffffffff", "dbffffffff", "c9ffffffffff", "919191919191919191", "82a0c0a0c0"} {
		for i := range fuzzed {
			f.Add(unhex(f, bomb), byte(i), byte(1))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, which, count byte) {
		p := plans[int(which)%len(plans)]
		files := fakeFiles(int(count % 8))
		v := reflect.New(p.root.typ)
		var err, derr error
		before := bytes.Clone(data)
		took := allocated(func() {
			_, err = p.Measure(data, len(files), fuzzLimits)
			derr = p.DecodeWithin(data, files, v.Interface(), fuzzLimits)
		})
		// The slack is for errors, the list of keys of three walks, and what the runtime does meanwhile.
		if most := uint64(2*fuzzLimits.Memory + 64<<10); took > most {
			t.Fatalf("%d bytes allocated for %d of input", took, len(data))
		}
		if (err == nil) != (derr == nil) {
			t.Fatalf("Check says %v and Decode %v", err, derr)
		}
		if !bytes.Equal(before, data) {
			t.Fatal("the message was changed")
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(data) || len(e.Error()) > 2000 {
				t.Fatalf("%T: %v", err, err)
			}
			if !v.Elem().IsZero() {
				t.Fatal("refused, and v is not zero")
			}
			return
		}
		wantEachOnce(t, p, v.Interface(), files)

		canonical, sent, err := p.Append(nil, v.Interface(), nil)
		if err != nil {
			t.Fatal(err)
		}
		back := reflect.New(p.root.typ)
		if err := p.DecodeWithin(canonical, sent, back.Interface(), fuzzLimits); err != nil {
			t.Fatalf("% x: %v", canonical, err)
		}
		again, resent, err := p.Append(nil, back.Interface(), nil)
		if err != nil || !bytes.Equal(again, canonical) || !reflect.DeepEqual(sent, resent) {
			t.Fatalf("% x and % x: %v", again, canonical, err)
		}
		twin := reflect.New(p.root.typ) // differs from v where there is a NaN, which equals nothing
		if err := p.DecodeWithin(data, files, twin.Interface(), fuzzLimits); err != nil {
			t.Fatal(err)
		}
		if reflect.DeepEqual(twin.Interface(), v.Interface()) && !reflect.DeepEqual(back.Interface(), v.Interface()) {
			t.Fatalf("%+v\n%+v", back.Elem(), v.Elem())
		}

		if p.root.typ == reflect.TypeFor[plain]() { // a second reader of the same bytes sees the same value
			var theirs plain
			if err := msgpack.Unmarshal(data, &theirs); err != nil {
				t.Fatalf("the library: %v", err)
			}
			theirs.Time = theirs.Time.UTC()
			if out, _, err := p.Append(nil, &theirs, nil); err != nil || !bytes.Equal(out, canonical) {
				t.Fatalf("the library reads %+v, we %+v: %v", theirs, v.Elem(), err)
			}
		}
	})
}

// FuzzReader: any calls on any bytes. The Reader never panics, never goes back, stands still on an error, and allocates
// nothing but strings and errors.
func FuzzReader(f *testing.F) {
	for _, test := range golden {
		if data := unhex(f, test.bytes); len(data) < 2000 {
			f.Add(data, []byte{7, 0, 1, 2, 3, 4, 5, 6, 7, 8})
		}
	}
	f.Add([]byte{0x94, 3, 0xa1, 'x', 0xc4, 0, 0xc3}, []byte{0, 2, 4, 5, 6, 9})
	f.Add(bytes.Repeat([]byte{0x91}, 100), []byte{7})
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, []byte{0, 7})
	f.Fuzz(func(t *testing.T, data, calls []byte) {
		r := NewReader(data)
		for _, call := range calls[:min(len(calls), 64)] {
			was := r.off
			var err error
			passed := true
			switch call % 9 {
			case 0:
				var n int
				if n, err = r.Array(); n < 0 || n > len(data)-r.off {
					t.Fatalf("%d values in %d bytes", n, len(data)-r.off)
				}
			case 1:
				var n int
				if n, err = r.Map(); n < 0 || 2*n > len(data)-r.off {
					t.Fatalf("%d pairs in %d bytes", n, len(data)-r.off)
				}
			case 2:
				var n uint64
				if n, err = r.Uint(1000); n > 1000 {
					t.Fatal(n)
				}
			case 3:
				_, err = r.Int()
			case 4:
				var s string
				if s, err = r.String(10); len(s) > 10 {
					t.Fatal(len(s))
				}
			case 5:
				var b []byte
				if b, err = r.Bytes(10); len(b) > 10 || cap(b) > len(b) {
					t.Fatal(len(b), cap(b))
				}
			case 6:
				_, err = r.Bool()
			case 7:
				var b, again []byte
				if b, err = r.Value(); err == nil {
					inner := NewReader(b)
					if again, err = inner.Value(); err != nil || !bytes.Equal(again, b) || inner.End() != nil {
						t.Fatalf("% x is no value of its own: %v", b, err)
					}
				}
			case 8:
				passed = r.Nil()
			}
			switch {
			case err != nil && r.off != was:
				t.Fatalf("it moved from %d to %d: %v", was, r.off, err)
			case err == nil && passed && r.off <= was, r.off > len(data):
				t.Fatalf("from %d to %d of %d", was, r.off, len(data))
			}
		}
	})
}
