package strict

import (
	"math/big"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"
)

type (
	list          struct{ Next *list }
	tree          struct{ Kids []tree }
	forest        struct{ ByName map[string]forest }
	texted        int
	coded         struct{ A int }
	exported      struct{ Name string }
	couple[T any] struct{ A, B T }
	wide          struct {
		A couple[couple[couple[couple[couple[couple[couple[couple[couple[couple[couple[couple[couple[couple[string]]]]]]]]]]]]]]
	}
)

func (texted) MarshalText() ([]byte, error)         { return nil, nil }
func (*coded) DecodeMsgpack(*msgpack.Decoder) error { return nil }

// TestWhatCannotTravel: the error says where, and what it is.
func TestWhatCannotTravel(t *testing.T) {
	deep := reflect.TypeFor[int]()
	for range DefaultDepth + 1 {
		deep = reflect.SliceOf(deep)
	}
	var many []reflect.StructField
	for i := range maxFields + 1 {
		many = append(many, reflect.StructField{Name: "F" + strings.Repeat("x", i), Type: reflect.TypeFor[bool]()})
	}
	for _, test := range []struct {
		why  string
		typ  reflect.Type
		says []string
	}{
		{"no type", nil, []string{"no type"}},
		{"any value of any type: its sender would choose", reflect.TypeFor[struct{ V []any }](), []string{".V[]", "interface"}},
		{"an interface with methods", reflect.TypeFor[struct{ E error }](), []string{".E", "interface"}},
		{"code", reflect.TypeFor[struct{ F func() }](), []string{".F", "func"}},
		{"a channel", reflect.TypeFor[struct{ C chan int }](), []string{".C", "chan"}},
		{"complex", reflect.TypeFor[map[string]complex128](), []string{"[]", "complex128"}},
		{"an address", reflect.TypeFor[struct{ P uintptr }](), []string{".P", "uintptr"}},
		{"an address", reflect.TypeFor[struct{ P unsafe.Pointer }](), []string{".P", "unsafe.Pointer"}},
		{"recursive by pointer", reflect.TypeFor[list](), []string{".Next", "recursive"}},
		{"recursive by slice", reflect.TypeFor[tree](), []string{".Kids[]", "recursive"}},
		{"recursive by map", reflect.TypeFor[forest](), []string{".ByName[]", "recursive"}},
		{"text codec", reflect.TypeFor[struct{ L texted }](), []string{".L", "TextMarshaler"}},
		{"msgpack codec on the pointer only", reflect.TypeFor[struct{ C coded }](), []string{".C", "CustomDecoder"}},
		{"codec of a key", reflect.TypeFor[map[texted]int](), []string{"[key]", "TextMarshaler"}},
		{"codec of a byte", reflect.TypeFor[[]struct{ L *texted }](), []string{"[].L", "TextMarshaler"}},
		{"a number with a codec", reflect.TypeFor[struct{ N *big.Int }](), []string{".N", "codec"}},
		{"an address with a codec: netip has the plain one", reflect.TypeFor[struct{ IP net.IP }](), []string{".IP", "codec"}},
		{"a codec that is promoted", reflect.TypeFor[struct{ time.Time }](), []string{"codec"}},
		{"a bare file", reflect.TypeFor[struct{ F *os.File }](), []string{".F", "privsep.File"}},
		{"keys of bool", reflect.TypeFor[map[bool]int](), []string{"keys of bool"}},
		{"keys of float: NaN equals nothing", reflect.TypeFor[map[float64]int](), []string{"keys of float64"}},
		{"keys of struct", reflect.TypeFor[map[exported]int](), []string{"keys"}},
		{"pointer to pointer: two nils", reflect.TypeFor[struct{ P **int }](), []string{".P", "nil"}},
		{"pointer to slice: two nils", reflect.TypeFor[*[]int](), []string{"nil"}},
		{"pointer to bytes: two nils", reflect.TypeFor[*[]byte](), []string{"nil"}},
		{"pointer to map: two nils", reflect.TypeFor[*map[string]int](), []string{"nil"}},
		{"pointer to file: two nils", reflect.TypeFor[struct{ F *File }](), []string{".F", "nil"}},
		{"embedded struct", reflect.TypeFor[struct{ exported }](), []string{".exported", "embedded"}},
		{"embedded exported struct", reflect.TypeFor[struct{ File }](), []string{".File", "embedded"}},
		{"embedded pointer", reflect.TypeFor[struct{ *exported }](), []string{".exported", "embedded"}},
		{"unexported field would be lost", reflect.TypeFor[struct {
			A int
			b int
		}](), []string{".b", "unexported"}},
		{"one name twice", reflect.TypeFor[struct {
			A int `msgpack:"x"`
			B int `msgpack:"x"`
		}](), []string{".B", `"x"`, "field A"}},
		{"a tag's name is a field's name", reflect.TypeFor[struct {
			A int
			B int `msgpack:"A"`
		}](), []string{".B", `"A"`}},
		{"an option of the library that is not honoured", reflect.TypeFor[struct {
			A int `msgpack:",as_array"`
		}](), []string{".A", "as_array"}},
		{"a name that would blur the fingerprint", reflect.TypeFor[struct {
			A int `msgpack:"a:i8"`
		}](), []string{".A", "a:i8"}},
		{"more within each other than the depth allows", deep, []string{"within each other"}},
		{"more fields than a walk remembers", reflect.StructOf(many), []string{"fields"}},
		{"a shape that doubles with each level", reflect.TypeFor[wide](), []string{"too large"}},
	} {
		p, err := NewPlan(test.typ, fileType)
		if err == nil {
			t.Errorf("%s: %v travels as %s", test.why, test.typ, p.Fingerprint())
			continue
		}
		for _, word := range test.says {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: the error does not say %q: %v", test.why, word, err)
			}
		}
	}
}

func TestFileTypeIsChecked(t *testing.T) {
	for _, file := range []reflect.Type{
		reflect.TypeFor[int](), reflect.TypeFor[struct{}](), reflect.TypeFor[struct{ F *os.File }](),
		reflect.TypeFor[struct{ os.File }](),
		reflect.TypeFor[struct {
			*os.File
			N int
		}](),
	} {
		if _, err := NewPlan(reflect.TypeFor[int](), file); err == nil {
			t.Errorf("%v is taken for a file type", file)
		}
	}
	if _, err := NewPlan(reflect.TypeFor[File](), nil); err == nil {
		t.Error("without a file type a File travels")
	}
}

func TestFingerprint(t *testing.T) {
	for _, test := range []struct {
		typ  reflect.Type
		want string
	}{
		{reflect.TypeFor[struct{}](), "{}"},
		{reflect.TypeFor[*struct{}](), "*{}"},
		{reflect.TypeFor[small](), "{link:str,mac:bin,mtu:i64,ttl:u8,up:bool}"},
		{reflect.TypeFor[struct { // the order of fields, omitempty and the names of types do not matter
			B   name          `msgpack:"b,omitempty"`
			Dur time.Duration `msgpack:"a"`
		}](), "{a:duration,b:str}"},
		{reflect.TypeFor[map[level][]File](), "map[i8][]file"},
		{reflect.TypeFor[[3][4]byte](), "[3]bin[4]"},
		{reflect.TypeFor[struct{ Größe uint }](), "{Größe:u64}"},
		{reflect.TypeFor[struct {
			A, B, C float32
			D       *float64
			T       time.Time
		}](), "{A:f32,B:f32,C:f32,D:*f64,T:time}"},
	} {
		if got := mustPlan(t, test.typ).Fingerprint(); got != test.want {
			t.Errorf("%v: %s, want %s", test.typ, got, test.want)
		}
	}
	if f := mustPlan(t, reflect.TypeFor[every]()).Fingerprint(); strings.Contains(f, "hidden") || strings.Contains(f, "Left") {
		t.Errorf("a field with the tag \"-\" travels: %s", f)
	}
}
