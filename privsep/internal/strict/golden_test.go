package strict

import (
	"bytes"
	"errors"
	"math"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// golden is the wire, byte by byte: the shortest form of each kind of value. A change here is a change of the protocol.
var golden = []struct {
	value any
	bytes string
}{
	{false, "c2"}, {true, "c3"},
	{0, "00"}, {127, "7f"}, {128, "cc80"}, {255, "ccff"}, {256, "cd0100"}, {65535, "cdffff"},
	{65536, "ce00010000"}, {int64(math.MaxUint32), "ceffffffff"}, {int64(1 << 32), "cf0000000100000000"},
	{int64(math.MaxInt64), "cf7fffffffffffffff"},
	{-1, "ff"}, {-32, "e0"}, {-33, "d0df"}, {-128, "d080"}, {-129, "d1ff7f"}, {-32768, "d18000"},
	{-32769, "d2ffff7fff"}, {math.MinInt32, "d280000000"}, {int64(math.MinInt32) - 1, "d3ffffffff7fffffff"},
	{int64(math.MinInt64), "d38000000000000000"},
	{int8(-128), "d080"}, {int16(300), "cd012c"}, {level(7), "07"},
	{uint(7), "07"}, {uint8(255), "ccff"}, {uint64(math.MaxUint64), "cfffffffffffffffff"},
	{float32(1.5), "ca3fc00000"}, {1.5, "cb3ff8000000000000"}, {math.Copysign(0, -1), "cb8000000000000000"},
	{math.Inf(1), "cb7ff0000000000000"}, {float32(math.Inf(-1)), "caff800000"},
	{"", "a0"}, {"eth0", "a4 'eth0"}, {"\xff\x00", "a2ff00"}, {name("n"), "a1 'n"},
	{strings.Repeat("a", 31), "bf '" + strings.Repeat("a", 31)},
	{strings.Repeat("a", 32), "d920 '" + strings.Repeat("a", 32)},
	{strings.Repeat("a", 256), "da0100 '" + strings.Repeat("a", 256)},
	{strings.Repeat("a", 65536), "db00010000 '" + strings.Repeat("a", 65536)},
	{[]byte(nil), "c0"}, {[]byte{}, "c400"}, {[]byte("ab"), "c402 'ab"}, {mac{1, 2}, "c4020102"}, {[]octet{3}, "c40103"},
	{bytes.Repeat([]byte("a"), 256), "c50100 '" + strings.Repeat("a", 256)},
	{bytes.Repeat([]byte("a"), 65536), "c600010000 '" + strings.Repeat("a", 65536)},
	{[2]byte{1, 2}, "c4020102"}, {[0]byte{}, "c400"}, {[2]octet{1, 2}, "c4020102"},
	{[]int(nil), "c0"}, {[]int{}, "90"}, {[]int{1, -1}, "9201ff"}, {[][]string{nil, {}, {"a"}}, "93c09091 a1 'a"},
	{make([]bool, 15), "9f" + strings.Repeat("c2", 15)}, {make([]bool, 16), "dc0010" + strings.Repeat("c2", 16)},
	{make([]bool, 65536), "dd00010000" + strings.Repeat("c2", 65536)},
	{[2]int16{1, 2}, "920102"}, {[0]int{}, "90"},
	{map[string]int(nil), "c0"}, {map[string]int{}, "80"}, {map[string]int{"b": 1, "a": 2, "": 3}, "83 a0 03 a1 'a 02 a1 'b 01"},
	{map[int8]bool{1: true, -1: false, 0: true}, "83 ffc2 00c3 01c3"}, {map[uint16]string{256: "", 2: "x"}, "82 02 a1 'x cd0100 a0"},
	{struct{}{}, "80"}, {[]struct{}{{}, {}}, "928080"},
	{small{Link: "lo", MTU: 65536, MAC: []byte{1}}, "84 a4 'link a2 'lo a3 'mtu ce00010000 a2 'up c2 a3 'mac c40101"},
	{small{TTL: 1}, "85 a4 'link a0 a3 'mtu 00 a2 'up c2 a3 'mac c0 a3 'ttl 01"},
	{struct {
		A *int
		B *struct{ C *int }
	}{B: &struct{ C *int }{C: new(int)}}, "82 a1 'A c0 a1 'B 81 a1 'C 00"},
	{struct { // what comes back is what was sent: an empty slice is not its zero value, −0 is not 0
		A []int     `msgpack:",omitempty"`
		B float64   `msgpack:"b,omitempty"`
		C time.Time `msgpack:",omitempty"`
		D int       `msgpack:"-"`
		E struct{}  `msgpack:",omitempty"`
	}{A: []int{}, B: math.Copysign(0, -1)}, "82 a1 'A 90 a1 'b cb8000000000000000"},
	{struct {
		A small      `msgpack:",omitempty"`
		B small      `msgpack:",omitempty"`
		C [2]float64 `msgpack:",omitempty"`
		D [2]float32 `msgpack:",omitempty"`
		E struct {
			X int `msgpack:"-"`
		} `msgpack:",omitempty"`
	}{B: small{TTL: 1}, C: [2]float64{0, math.Copysign(0, -1)}}, "82 a1 'B 85 a4 'link a0 a3 'mtu 00 a2 'up c2 a3 'mac c0 a3 'ttl 01" +
		" a1 'C 92 cb0000000000000000 cb8000000000000000"},
	{time.Duration(-1), "ff"}, {time.Second, "ce3b9aca00"},
	{time.Unix(0, 0).UTC(), "d6ff00000000"}, {time.Unix(math.MaxUint32, 0).UTC(), "d6ffffffffff"},
	{time.Unix(0, 1).UTC(), "d7ff0000000400000000"}, {time.Unix(1<<32, 0).UTC(), "d7ff0000000100000000"},
	{time.Unix(1<<34-1, 999999999).UTC(), "d7ffee6b27ffffffffff"},
	{time.Unix(1<<34, 5).UTC(), "c70cff 00000005 0000000400000000"}, {time.Unix(-1, 0).UTC(), "c70cff 00000000 ffffffffffffffff"},
	{time.Time{}, "c70cff 00000000 fffffff1886e0900"},
	{netip.Addr{}, "c400"}, {netip.MustParseAddr("1.2.3.4"), "c40401020304"},
	{netip.MustParseAddr("::ffff:1.2.3.4"), "c410 00000000000000000000ffff01020304"},
	{netip.MustParseAddr("fe80::1%eth0"), "c414 fe800000000000000000000000000001 'eth0"},
	{netip.AddrPort{}, "c4020000"}, {netip.MustParseAddrPort("1.2.3.4:258"), "c406 01020304 0201"},
	{netip.MustParseAddrPort("[fe80::1%lo]:80"), "c414 fe800000000000000000000000000001 'lo 5000"},
	{netip.Prefix{}, "c401ff"}, {netip.MustParsePrefix("1.2.3.4/24"), "c405 01020304 18"},
	{netip.PrefixFrom(netip.MustParseAddr("1.2.3.4"), 33), "c405 01020304 ff"},
	{netip.MustParsePrefix("::/128"), "c411 00000000000000000000000000000000 80"},
}

func TestGolden(t *testing.T) {
	for _, test := range golden {
		want := unhex(t, test.bytes)
		p := mustPlan(t, reflect.TypeOf(test.value))
		got, files, err := p.Append([]byte("dst"), test.value, nil)
		if err != nil || len(files) != 0 || string(got) != "dst"+string(want) {
			t.Errorf("%#v: % x, %v, want % x", test.value, got[3:], err, want)
		}
		back := reflect.New(reflect.TypeOf(test.value))
		if err := p.Decode(want, nil, back.Interface()); err != nil {
			t.Errorf("%s: %v", test.bytes, err)
		} else if !reflect.DeepEqual(back.Elem().Interface(), test.value) {
			t.Errorf("%s: %#v, want %#v", test.bytes, back.Elem(), test.value)
		}
	}
}

// TestGoldenFiles: what travels for a file is its index among all descriptors of the frame.
func TestGoldenFiles(t *testing.T) {
	type args struct {
		In    File   `msgpack:"in"`
		Out   []File `msgpack:"out"`
		ByFD  map[int]File
		Maybe *struct{ F File }
	}
	f := fakeFiles(5)
	p := planOf[args](t)
	v := args{File{f[1]}, []File{{}, {f[2]}}, map[int]File{7: {f[4]}, 3: {f[3]}}, &struct{ F File }{}}
	want := "84 a2 'in 01 a3 'out 92 c0 02 a4 'ByFD 82 03 03 07 04 a5 'Maybe 81 a1 'F c0"
	got, files, err := p.Append(nil, &v, f[:1:1])
	if err != nil || !bytes.Equal(got, unhex(t, want)) || !reflect.DeepEqual(files, f) {
		t.Fatalf("% x, %d files, %v", got, len(files), err)
	}
	var back args
	if err := p.Decode(got, files, &back); err == nil {
		t.Error("descriptor 0, which the frame brings for something else, is named by nothing, and passes")
	}
	got, files, _ = p.Append(nil, &v, nil)
	if err := p.Decode(got, files, &back); err != nil || !reflect.DeepEqual(back, v) {
		t.Errorf("%v: %v, want %v", err, back, v)
	}

	one := File{f[0]} // in two places: it travels twice, as two descriptors of one open file
	got, files, _ = planOf[[]File](t).Append(nil, []File{one, one}, nil)
	if !bytes.Equal(got, []byte{0x92, 0, 1}) || len(files) != 2 {
		t.Errorf("% x, %d files", got, len(files))
	}
}

// TestAppendRefuses: what a reader would refuse is not sent, and dst and files come back as they were.
func TestAppendRefuses(t *testing.T) {
	many := make([]File, MaxFiles+1)
	for i := range many {
		many[i] = File{new(os.File)}
	}
	type times struct{ When []time.Time }
	type zoned struct{ Via map[string]netip.Addr }
	for _, test := range []struct {
		plan  reflect.Type
		value any
		says  string
	}{
		{reflect.TypeFor[times](), times{When: []time.Time{{}, time.Unix(maxSecond+1, 0)}}, "When[1]: a time outside"},
		{reflect.TypeFor[times](), times{When: []time.Time{time.Unix(minSecond-1, 0)}}, "When[0]: a time outside"},
		{reflect.TypeFor[times](), times{When: []time.Time{time.Unix(math.MaxInt64, 0)}}, "When[0]: a time outside"},
		{reflect.TypeFor[zoned](), zoned{Via: map[string]netip.Addr{"a": netip.MustParseAddr("::1%aaaaaaaaaaaaaaaa")}}, `Via["a"]: a zone of 16`},
		{reflect.TypeFor[map[int8]time.Time](), map[int8]time.Time{-7: time.Unix(maxSecond+1, 0)}, "[-7]: a time outside"},
		{reflect.TypeFor[map[uint8][]time.Time](), map[uint8][]time.Time{7: {time.Unix(maxSecond+1, 0)}}, "[7][0]: a time outside"},
		{reflect.TypeFor[[]File](), many, "[253]: more than 253 open files"},
		{reflect.TypeFor[int](), nil, "nil where int"},
		{reflect.TypeFor[int](), int8(1), "int8 where int"},
		{reflect.TypeFor[int](), (*int)(nil), "or it is nil"},
		{reflect.TypeFor[int](), new(string), "*string where int"},
	} {
		dst, files, err := mustPlan(t, test.plan).Append([]byte("dst"), test.value, nil)
		if err == nil || !strings.Contains(err.Error(), test.says) || string(dst) != "dst" || len(files) != 0 {
			t.Errorf("%v: %q, %d files, error does not say %q: %v", test.plan, dst, len(files), test.says, err)
		}
	}
}

// TestAppendRefusesLengths that msgpack has no way to write: the library would write them modulo 2³². Values of no size
// make such a slice cheap.
func TestAppendRefusesLengths(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		t.Skip("an int of 32 bits holds no such length")
	}
	beyond := uint64(math.MaxUint32) + 1
	v := struct{ Void []struct{} }{make([]struct{}, int(beyond))}
	_, _, err := mustPlan(t, reflect.TypeOf(v)).Append(nil, &v, nil)
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "Void: a length of 4294967296") {
		t.Error(err)
	}
}

// TestTimeKeepsTheInstant: zone and monotonic clock stay at home.
func TestTimeKeepsTheInstant(t *testing.T) {
	now := time.Now().In(time.FixedZone("X", 3600))
	p := planOf[time.Time](t)
	data, _, err := p.Append(nil, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	var back time.Time
	if err := p.Decode(data, nil, &back); err != nil || !back.Equal(now) || back.Location() != time.UTC {
		t.Errorf("%v became %v: %v", now, back, err)
	}
}

// TestDecodeTargets: a wrong target is an error of the caller's, not a panic in root's process.
func TestDecodeTargets(t *testing.T) {
	p := planOf[int](t)
	for _, v := range []any{nil, 1, (*int)(nil), new(int8), new(*int), "x"} {
		if err := p.Decode([]byte{1}, nil, v); err == nil {
			t.Errorf("Decode into %T passes", v)
		}
	}
	v := small{Link: "old", MTU: 1, MAC: []byte("old")}
	if err := planOf[small](t).Decode(unhex(t, "81 a3 'mtu 02"), nil, &v); err != nil || !reflect.DeepEqual(v, small{MTU: 2}) {
		t.Errorf("what v held before shows through: %+v, %v", v, err)
	}
	v = small{Link: "old"}
	if err := planOf[small](t).Decode(unhex(t, "82 a3 'mtu 02 a1 'z c0"), nil, &v); err == nil || !reflect.DeepEqual(v, small{}) {
		t.Errorf("after an error v is not zero: %+v, %v", v, err)
	}
}

func TestErrorsTellLimitsFromNonsense(t *testing.T) {
	p := planOf[[][]int](t)
	data := unhex(t, "92 91 01 92 01 02")
	for _, test := range []struct {
		lim      Limits
		tooLarge bool
	}{
		{Limits{}, false},
		{Limits{Depth: 2, Elements: 6, Memory: 1000}, false},
		{Limits{Depth: 1}, true},
		{Limits{Elements: 5}, true},
		{Limits{Memory: 50}, true},
	} {
		err := p.Check(data, 0, test.lim)
		var v [][]int
		if got := errors.Is(err, ErrTooLarge); got != test.tooLarge || !got && err != nil {
			t.Errorf("%+v: %v", test.lim, err)
		}
		if derr := p.DecodeWithin(data, nil, &v, test.lim); (derr == nil) != (err == nil) || (v == nil) != (err != nil) {
			t.Errorf("%+v: Check says %v and Decode %v", test.lim, err, derr)
		}
	}
	if err := p.Check([]byte{0xc1}, 0, Limits{}); err == nil || errors.Is(err, ErrTooLarge) {
		t.Errorf("nonsense is no question of size: %v", err)
	}
}
