package strict

import (
	"encoding/hex"
	"math"
	"math/rand"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// File stands for privsep.File, which this package must not import.
type File struct{ *os.File }

var fileType = reflect.TypeFor[File]()

type (
	name  string
	level int8
	octet uint8
	mac   []byte
	names []name
)

// small is what a typical entrypoint takes.
type small struct {
	Link string `msgpack:"link"`
	MTU  int    `msgpack:"mtu"`
	Up   bool   `msgpack:"up"`
	MAC  []byte `msgpack:"mac"`
	TTL  uint8  `msgpack:"ttl,omitempty"`
}

// every has a field of each kind that travels.
type every struct {
	Bool     bool
	Int      int
	Int8     int8
	Int16    int16
	Int32    int32
	Int64    int64
	Uint     uint
	Uint8    uint8
	Uint16   uint16
	Uint32   uint32
	Uint64   uint64
	Float32  float32
	Float64  float64
	String   string
	Named    name
	Level    level
	Bytes    []byte
	MAC      mac
	Octets   []octet
	Array    [4]byte
	Fixed    [2]int16
	Slice    []string
	Names    names
	Nested   [][]int
	Map      map[string]int
	ByInt    map[int16][]string
	ByUint   map[uint64]bool
	ByLevel  map[level]small
	Struct   small
	Structs  []small
	Pointer  *small
	ToInt    *int
	Time     time.Time
	Duration time.Duration
	Addr     netip.Addr
	AddrPort netip.AddrPort
	Prefix   netip.Prefix
	Void     struct{}
	File     File
	Files    []File
	Omit     []string  `msgpack:"omit,omitempty"`
	OmitTime time.Time `msgpack:",omitempty"`
	Left     chan int  `msgpack:"-"`
	hidden   int       `msgpack:"-"` //lint:ignore U1000 an unexported field that is left out is the case
}

func mustPlan(t testing.TB, typ reflect.Type) *Plan {
	t.Helper()
	p, err := NewPlan(typ, fileType)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func planOf[T any](t testing.TB) *Plan { return mustPlan(t, reflect.TypeFor[T]()) }

// fakeFiles are told apart by their addresses, and never used.
func fakeFiles(n int) []*os.File {
	files := make([]*os.File, n)
	for i := range files {
		files[i] = new(os.File)
	}
	return files
}

// unhex reads hex with spaces; (…) is text as it stands, and N*XX repeats a byte.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for _, part := range strings.Fields(s) {
		if text, ok := strings.CutPrefix(part, "'"); ok {
			out = append(out, text...)
			continue
		}
		b, err := hex.DecodeString(part)
		if err != nil {
			t.Fatalf("%q: %v", part, err)
		}
		out = append(out, b...)
	}
	return out
}

// randomize fills v with a value that travels, edges more often than chance.
func randomize(r *rand.Rand, v reflect.Value, size int) {
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Unix(minSecond+r.Int63n(maxSecond-minSecond), r.Int63n(int64(time.Second))).UTC()
		if r.Intn(3) == 0 {
			*p = time.Unix(r.Int63n(1<<34), r.Int63n(2)*5).UTC()
		}
		return
	case *netip.Addr:
		*p = randomAddr(r)
		return
	case *netip.AddrPort:
		*p = netip.AddrPortFrom(randomAddr(r), uint16(r.Uint32()))
		return
	case *netip.Prefix:
		*p = netip.PrefixFrom(randomAddr(r), r.Intn(140)-5)
		return
	case *File:
		if r.Intn(2) == 0 {
			p.File = new(os.File)
		}
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.Intn(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> r.Intn(64))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(r.Uint64() >> r.Intn(64))
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, math.Copysign(0, -1), 1.5, math.Inf(-1), r.NormFloat64(), 3e38}[r.Intn(6)])
	case reflect.String:
		v.SetString(string(randomBytes(r, size)))
	case reflect.Array:
		for i := range v.Len() {
			randomize(r, v.Index(i), size/2)
		}
	case reflect.Slice:
		if r.Intn(4) == 0 {
			return
		}
		n := r.Intn(size + 1)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			randomize(r, v.Index(i), size/2)
		}
	case reflect.Map:
		if r.Intn(4) == 0 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range r.Intn(size + 1) {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			randomize(r, key, size/2)
			randomize(r, elem, size/2)
			v.SetMapIndex(key, elem)
		}
	case reflect.Pointer:
		if r.Intn(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			randomize(r, v.Elem(), size)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("msgpack") != "-" {
				randomize(r, v.Field(i), size)
			}
		}
	}
}

func randomAddr(r *rand.Rand) netip.Addr {
	var b [16]byte
	r.Read(b[:])
	switch r.Intn(5) {
	case 0:
		return netip.Addr{}
	case 1:
		return netip.AddrFrom4([4]byte(b[:4]))
	case 2:
		return netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: b[0], 15: b[1]})
	case 3:
		return netip.AddrFrom16(b).WithZone("eth0.100"[:r.Intn(9)])
	default:
		return netip.AddrFrom16(b)
	}
}

func randomBytes(r *rand.Rand, size int) []byte {
	n := r.Intn(size + 1)
	if r.Intn(50) == 0 {
		n = []int{31, 32, 255, 256, 65535, 65536}[r.Intn(6)]
	}
	b := make([]byte, n)
	r.Read(b)
	return b
}
