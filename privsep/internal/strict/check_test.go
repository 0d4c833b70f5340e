package strict

import (
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestRefused: bytes that a compromised service may send, each with what would follow if they passed.
func TestRefused(t *testing.T) {
	type point struct{ X, Y int8 }
	type holder struct {
		F File   `msgpack:"f"`
		G []File `msgpack:"g"`
	}
	for _, test := range []struct {
		why   string
		typ   reflect.Type
		bytes string
		files int
		says  string
	}{
		// Bytes that are no message.
		{"nothing at all", reflect.TypeFor[int](), "", 0, "ends within"},
		{"0xc1 begins nothing", reflect.TypeFor[int](), "c1", 0, "0xc1"},
		{"an integer cut short", reflect.TypeFor[int](), "cd01", 0, "ends within"},
		{"a string cut short", reflect.TypeFor[string](), "a3 'ab", 0, "beyond the end"},
		{"a struct cut short", reflect.TypeFor[point](), "82 a1 'X 01 a1", 0, "beyond the end"},
		{"an ext without its type", reflect.TypeFor[time.Time](), "c704", 0, "ends within"},
		{"a second message behind the first is nobody's", reflect.TypeFor[int](), "0102", 0, "1 trailing"},
		{"bytes behind the end", reflect.TypeFor[struct{}](), "80 c0c0", 0, "2 trailing"},

		// Claims. vmihailenco/msgpack v5.4.1 allocates 64 GiB for the first: no CVE yet.
		{"4 Gi elements in five bytes", reflect.TypeFor[[]string](), "ddffffffff", 0, "beyond the end"},
		{"4 Gi pairs", reflect.TypeFor[map[string]string](), "dfffffffff", 0, "beyond the end"},
		{"4 GiB of string", reflect.TypeFor[string](), "dbffffffff", 0, "beyond the end"},
		{"4 GiB of bytes", reflect.TypeFor[[]byte](), "c6ffffffff", 0, "beyond the end"},
		{"4 GiB of ext", reflect.TypeFor[time.Time](), "c9ffffffffff", 0, "beyond the end"},
		{"one element more than there are bytes", reflect.TypeFor[[]int](), "93 01 02", 0, "beyond the end"},
		{"a pair takes two bytes", reflect.TypeFor[map[string]int](), "82 a0 01 02", 0, "beyond the end"},
		{"names take bytes too", reflect.TypeFor[point](), "82 a1 'X", 0, "beyond the end"},

		// Kinds. The library takes an array for a struct, nil for 0, a string for bytes.
		{"an array for a struct", reflect.TypeFor[point](), "92 01 02", 0, "an array where a map"},
		{"nil for a struct", reflect.TypeFor[point](), "c0", 0, "nil where a map"},
		{"nil for an integer", reflect.TypeFor[point](), "81 a1 'X c0", 0, "X: nil where an integer"},
		{"nil for a bool", reflect.TypeFor[bool](), "c0", 0, "nil"},
		{"nil for a string", reflect.TypeFor[string](), "c0", 0, "nil"},
		{"nil for a float", reflect.TypeFor[float64](), "c0", 0, "nil"},
		{"nil for an array", reflect.TypeFor[[1]int](), "c0", 0, "nil"},
		{"nil for a byte array", reflect.TypeFor[[1]byte](), "c0", 0, "nil"},
		{"nil for a time", reflect.TypeFor[time.Time](), "c0", 0, "nil"},
		{"nil for an address", reflect.TypeFor[netip.Addr](), "c0", 0, "nil"},
		{"nil for a key", reflect.TypeFor[map[string]int](), "81 c0 01", 0, "[key]: nil"},
		{"1 for true", reflect.TypeFor[bool](), "01", 0, "an integer where a bool"},
		{"true for 1", reflect.TypeFor[int](), "c3", 0, "a bool where an integer"},
		{"a float for an integer", reflect.TypeFor[int](), "cb3ff0000000000000", 0, "a float 64 where an integer"},
		{"an integer for a float", reflect.TypeFor[float64](), "01", 0, "an integer where a float"},
		{"an integer for a float32", reflect.TypeFor[float32](), "01", 0, "an integer where a float"},
		{"a string for bytes", reflect.TypeFor[[]byte](), "a1 'x", 0, "a string where binary"},
		{"a string for a byte array", reflect.TypeFor[[1]byte](), "a1 'x", 0, "a string where binary"},
		{"bytes for a string", reflect.TypeFor[string](), "c401 'x", 0, "binary data where a string"},
		{"an array of integers for bytes", reflect.TypeFor[[]byte](), "91 01", 0, "an array where binary"},
		{"a map for an array", reflect.TypeFor[[]int](), "81 00 00", 0, "a map where an array"},
		{"an array for a map", reflect.TypeFor[map[int]int](), "92 00 00", 0, "an array where a map"},
		{"a string for a list of strings", reflect.TypeFor[[]string](), "a1 'x", 0, "a string where an array"},

		// Integers that do not fit. The library makes 300 in an int8 44, and −1 in a uint64 2⁶⁴−1: uid −1 is CVE-2019-14287.
		{"300 in an int8", reflect.TypeFor[int8](), "cd012c", 0, "300 does not fit int8"},
		{"128 in an int8", reflect.TypeFor[int8](), "cc80", 0, "128 does not fit int8"},
		{"−129 in an int8", reflect.TypeFor[int8](), "d1ff7f", 0, "-129 does not fit int8"},
		{"256 in a uint8", reflect.TypeFor[uint8](), "cd0100", 0, "256 does not fit uint8"},
		{"−1 in a uint64", reflect.TypeFor[uint64](), "ff", 0, "-1 does not fit uint64"},
		{"−1 in a uint32, eight bytes wide", reflect.TypeFor[uint32](), "d3ffffffffffffffff", 0, "-1 does not fit"},
		{"2⁶³ in an int64", reflect.TypeFor[int64](), "cf8000000000000000", 0, "does not fit int64"},
		{"2³² in a uint32", reflect.TypeFor[uint32](), "cf0000000100000000", 0, "does not fit uint32"},
		{"2⁶⁴−1 nanoseconds", reflect.TypeFor[time.Duration](), "cfffffffffffffffff", 0, "does not fit"},
		{"a key that does not fit", reflect.TypeFor[map[int8]bool](), "81 cc80 c3", 0, "[key]: 128 does not fit"},
		{"a float64 that a float32 rounds", reflect.TypeFor[float32](), "cb3fb999999999999a", 0, "0.1 does not fit"},
		{"a float64 above all float32", reflect.TypeFor[float32](), "cb7fefffffffffffff", 0, "does not fit"},

		// Structs and maps. The library takes the last of two equal keys; a proxy or log may have looked at the first.
		{"a field that the type does not have", reflect.TypeFor[point](), "81 a1 'Z 01", 0, `unknown field "Z"`},
		{"names are compared exactly", reflect.TypeFor[point](), "81 a1 'x 01", 0, `unknown field "x"`},
		{"a long unknown name is cut, and ASCII", reflect.TypeFor[point](), "81 d930 e280ae 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 01", 0, `"\u202eaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"…`},
		{"a field twice", reflect.TypeFor[point](), "82 a1 'X 01 a1 'X 02", 0, "X comes twice"},
		{"a field twice, in two widths", reflect.TypeFor[point](), "82 a1 'X 01 d901 'X 02", 0, "X comes twice"},
		{"more fields than there are", reflect.TypeFor[point](), "83 a1 'X 01 a1 'Y 01 a1 'X 02", 0, "3 fields"},
		{"a field for struct{}", reflect.TypeFor[struct{}](), "81 a0 c0", 0, "1 fields"},
		{"a name that is an integer", reflect.TypeFor[point](), "81 00 01", 0, "an integer where the name"},
		{"a name that is bytes", reflect.TypeFor[point](), "81 c401 'X 01", 0, "binary data where the name"},
		{"a left out field", reflect.TypeFor[every](), "81 a4 'Left c0", 0, "unknown field"},
		{"a key twice, side by side", reflect.TypeFor[map[string]int](), "82 a1 'a 01 a1 'a 02", 0, `key "a" comes twice`},
		{"a key twice, others between", reflect.TypeFor[map[string]int](), "84 a1 'b 01 a1 'c 02 a1 'a 04 a1 'b 03", 0, `key "b" comes twice`},
		{"a key twice, in two widths", reflect.TypeFor[map[string]int](), "82 a1 'a 01 db00000001 'a 02", 0, "comes twice"},
		{"an integer key twice, in two widths", reflect.TypeFor[map[int]int](), "82 05 01 d30000000000000005 02", 0, "key 5 comes twice"},
		{"a negative key twice, in two widths", reflect.TypeFor[map[int]int](), "83 ff 01 00 00 d1ffff 02", 0, "key -1 comes twice"},
		{"a key twice within a map that is in order", reflect.TypeFor[map[string]map[string]int](), "82 a1 'a 80 a1 'b 82 a1 'x 01 a1 'x 02", 0, `["b"]`},
		{"the path names all steps", reflect.TypeFor[every](), "81 a7 'ByLevel 81 02 81 a3 'mtu c0", 0, "ByLevel[2].mtu: nil where"},

		// Fixed lengths.
		{"an array too short", reflect.TypeFor[[2]int16](), "91 01", 0, "an array of 1 where one of 2"},
		{"an array too long", reflect.TypeFor[[2]int16](), "93 01 02 03", 0, "an array of 3"},
		{"a byte array too short", reflect.TypeFor[[4]byte](), "c403 010203", 0, "3 bytes where 4"},
		{"a byte array too long", reflect.TypeFor[[4]byte](), "c405 0102030405", 0, "5 bytes where 4"},

		// Times. The library takes arrays, RFC 3339 and ext 13.
		{"an ext of another type", reflect.TypeFor[time.Time](), "d6 01 00000000", 0, "extension type 1"},
		{"NodeJS's ext 13", reflect.TypeFor[time.Time](), "d6 0d 00000000", 0, "extension type 13"},
		{"a time as an array", reflect.TypeFor[time.Time](), "92 01 02", 0, "an array where a timestamp"},
		{"a time as text", reflect.TypeFor[time.Time](), "b4 '2026-01-01T00:00:00Z", 0, "a string where a timestamp"},
		{"an ext for an integer", reflect.TypeFor[int](), "d6 ff 00000000", 0, "an extension where an integer"},
		{"a timestamp of five bytes", reflect.TypeFor[time.Time](), "c7 05 ff 0000000000", 0, "of 5 bytes"},
		{"a timestamp of no bytes", reflect.TypeFor[time.Time](), "c7 00 ff", 0, "of 0 bytes"},
		{"10⁹ nanoseconds in 30 bits", reflect.TypeFor[time.Time](), "d7 ff ee6b280000000000", 0, "1000000000 nanoseconds"},
		{"2³²−1 nanoseconds in 32 bits", reflect.TypeFor[time.Time](), "c7 0c ff ffffffff 0000000000000000", 0, "4294967295 nanoseconds"},
		{"the year 10000", reflect.TypeFor[time.Time](), "c7 0c ff 00000000 0000003afff44180", 0, "years 1 to 9999"},
		{"the year 0", reflect.TypeFor[time.Time](), "c7 0c ff 00000000 fffffff1886e08ff", 0, "years 1 to 9999"},
		{"seconds that wrap", reflect.TypeFor[time.Time](), "c7 0c ff 00000000 7fffffffffffffff", 0, "years 1 to 9999"},

		// Addresses.
		{"five bytes are no address", reflect.TypeFor[netip.Addr](), "c405 0102030405", 0, "no address"},
		{"IPv4 with a zone", reflect.TypeFor[netip.Addr](), "c406 01020304 'lo", 0, "no address"},
		{"a zone longer than an interface's name", reflect.TypeFor[netip.Addr](), "c420 00000000000000000000000000000001 'aaaaaaaaaaaaaaaa", 0, "no address"},
		{"a port without its second byte", reflect.TypeFor[netip.AddrPort](), "c401 50", 0, "no address"},
		{"a prefix without bits", reflect.TypeFor[netip.Prefix](), "c400", 0, "no address"},
		{"33 bits of IPv4: a Prefix that is not valid has one form", reflect.TypeFor[netip.Prefix](), "c405 01020304 21", 0, "33 bits"},
		{"129 bits of IPv6", reflect.TypeFor[netip.Prefix](), "c411 00000000000000000000000000000001 81", 0, "129 bits"},
		{"0 bits of no address", reflect.TypeFor[netip.Prefix](), "c401 00", 0, "0 bits"},
		{"a prefix with a zone", reflect.TypeFor[netip.Prefix](), "c413 00000000000000000000000000000001 'lo 40", 0, "no address"},
		{"an address as text", reflect.TypeFor[netip.Addr](), "a7 '1.2.3.4", 0, "a string where an address"},

		// Descriptors. One that nothing owns would stay open: neutron's and runc's leaks (CVE-2024-21626) were of that kind.
		{"an index that is not there", reflect.TypeFor[holder](), "81 a1 'f 01", 1, "descriptor 1 of 1"},
		{"an index where none came", reflect.TypeFor[holder](), "81 a1 'f 00", 0, "descriptor 0 of 0"},
		{"an index of 2⁶⁴−1", reflect.TypeFor[holder](), "81 a1 'f cfffffffffffffffff", 1, "descriptor 18446744073709551615"},
		{"an index below zero", reflect.TypeFor[holder](), "81 a1 'f ff", 1, "a negative integer where the index"},
		{"one descriptor in two places: closed twice", reflect.TypeFor[holder](), "82 a1 'f 00 a1 'g 91 00", 1, "g[0]: descriptor 0 is named twice"},
		{"a descriptor that nothing names", reflect.TypeFor[holder](), "81 a1 'f 00", 2, "1 of 2 descriptors"},
		{"a descriptor for a type that has none", reflect.TypeFor[int](), "01", 1, "1 of 1 descriptors"},
		{"more descriptors than a message can bring", reflect.TypeFor[int](), "01", MaxFiles + 1, "254 descriptors"},
		{"a file as a string", reflect.TypeFor[holder](), "81 a1 'f a1 '0", 1, "a string where the index"},
	} {
		p := mustPlan(t, test.typ)
		data := unhex(t, test.bytes)
		err := p.Check(data, test.files, Limits{})
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %s passes as %v: %v", test.why, test.bytes, test.typ, err)
			continue
		}
		if !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: the error does not say %q: %v", test.why, test.says, err)
		}
		if e.Offset < 0 || e.Offset > len(data) {
			t.Errorf("%s: offset %d of %d bytes", test.why, e.Offset, len(data))
		}
		if test.files > MaxFiles {
			continue
		}
		v := reflect.New(test.typ)
		if err := p.Decode(data, fakeFiles(test.files), v.Interface()); err == nil || !v.Elem().IsZero() {
			t.Errorf("%s: Decode: %v, value %v", test.why, err, v.Elem())
		}
	}
}

// TestAccepted: what looks odd and is right. Each is decoded and compared.
func TestAccepted(t *testing.T) {
	type point struct{ X, Y int8 }
	file := fakeFiles(2)
	utc := func(sec, nsec int64) time.Time { return time.Unix(sec, nsec).UTC() }
	for _, test := range []struct {
		why   string
		bytes string
		files []*os.File
		want  any
	}{
		{"any width of an integer", "cf0000000000000005", nil, int8(5)},
		{"a positive integer of a signed form", "d300000000000000ff", nil, uint8(255)},
		{"a negative integer, eight bytes wide", "d3ffffffffffffff80", nil, int8(-128)},
		{"the largest", "cfffffffffffffffff", nil, uint64(1<<64 - 1)},
		{"a long form of a short string", "db00000002 'ab", nil, "ab"},
		{"bytes that are not UTF-8 in a string", "a3 ff fe 80", nil, "\xff\xfe\x80"},
		{"a NUL in a string is for the handler to refuse", "a3 'a 00 'b", nil, "a\x00b"},
		{"a long form of an empty array", "dd00000000", nil, []int{}},
		{"a long form of a map", "df00000001 a1 'Y 07", nil, point{Y: 7}},
		{"missing fields are zero", "80", nil, point{}},
		{"fields in any order", "82 a1 'Y 01 a1 'X 02", nil, point{X: 2, Y: 1}},
		{"keys in any order", "83 a1 'c 01 a1 'a 02 a1 'b 03", nil, map[string]int{"a": 2, "b": 3, "c": 1}},
		{"negative keys before others", "83 fe 01 ff 02 00 03", nil, map[int8]int{-2: 1, -1: 2, 0: 3}},
		{"keys of integers in any order", "83 00 03 fe 01 ff 02", nil, map[int8]int{-2: 1, -1: 2, 0: 3}},
		{"an empty key", "81 a0 01", nil, map[string]int{"": 1}},
		{"nil is no empty slice", "c0", nil, []int(nil)},
		{"nil is no empty map", "c0", nil, map[string]int(nil)},
		{"nil is no empty bytes", "c0", nil, []byte(nil)},
		{"empty bytes", "c400", nil, []byte{}},
		{"nil for a pointer", "c0", nil, (*point)(nil)},
		{"a float32 for a float64", "ca3fc00000", nil, 1.5},
		{"a float64 that fits a float32", "cb3ff8000000000000", nil, float32(1.5)},
		{"4 bytes of seconds", "d6ff ffffffff", nil, utc(1<<32-1, 0)},
		{"4 bytes of seconds in a long form", "c9 00000004 ff 00000001", nil, utc(1, 0)},
		{"8 bytes of time", "d7ff ee6b27ff ffffffff", nil, utc(1<<34-1, 999999999)},
		{"12 bytes of time that 4 could hold", "c70cff 00000000 0000000000000001", nil, utc(1, 0)},
		{"before 1970", "c70cff 00000001 ffffffffffffffff", nil, utc(-1, 1)},
		{"the zero time", "c70cff 00000000 fffffff1886e0900", nil, time.Time{}},
		{"the last second", "c70cff 3b9ac9ff 0000003afff4417f", nil, utc(maxSecond, 999999999)},
		{"no address", "c400", nil, netip.Addr{}},
		{"an address with a zone", "c412 fe800000000000000000000000000001 'lo", nil, netip.MustParseAddr("fe80::1%lo")},
		{"no prefix", "c401ff", nil, netip.Prefix{}},
		{"a prefix of 0 bits", "c405 00000000 00", nil, netip.MustParsePrefix("0.0.0.0/0")},
		{"files in any order", "92 01 00", file, []File{{file[1]}, {file[0]}}},
		{"no file", "91 c0", nil, []File{{}}},
	} {
		v := reflect.New(reflect.TypeOf(test.want))
		if err := mustPlan(t, v.Type().Elem()).Decode(unhex(t, test.bytes), test.files, v.Interface()); err != nil {
			t.Errorf("%s: %v", test.why, err)
		} else if !reflect.DeepEqual(v.Elem().Interface(), test.want) {
			t.Errorf("%s: %#v, want %#v", test.why, v.Elem(), test.want)
		}
	}
}

// TestNaN passes, of any sign and payload, in every width.
func TestNaN(t *testing.T) {
	for _, data := range []string{"ca7fc00000", "caffffffff", "ca7f800001", "cb7ff8000000000000", "cbffffffffffffffff", "cb7ff0000000000001"} {
		var f32 float32
		var f64 float64
		if err := planOf[float32](t).Decode(unhex(t, data), nil, &f32); err != nil || f32 == f32 {
			t.Errorf("%s: %v, %v", data, f32, err)
		}
		if err := planOf[float64](t).Decode(unhex(t, data), nil, &f64); err != nil || f64 == f64 {
			t.Errorf("%s: %v, %v", data, f64, err)
		}
	}
}
