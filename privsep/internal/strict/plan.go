// Package strict puts Go values into msgpack and takes them out again, refusing every byte that was not asked for.
//
// Both sides link it. The side that matters is root's: it reads what a compromised service may have written, so nothing
// is decoded before one walk over the bytes has held them against a Plan, which was made from the Go type when the
// entrypoint was declared. The walk allocates nothing that the bytes merely claim, and what it passes decodes without
// a loss and within a known amount of memory.
//
//	plan, err := strict.NewPlan(reflect.TypeFor[SetMTUArgs](), reflect.TypeFor[privsep.File]())
//	data, files, err := plan.Append(nil, &SetMTUArgs{Link: "eth0", MTU: 1500}, nil)
//	err = plan.Decode(data, files, &got)
//
// # How Go types travel
//
//	bool, string             bool, str (raw bytes: paths and arguments need not be UTF-8)
//	int…, uint…, Duration    the shortest integer that holds the value; int and uint are 64 bits wide on the wire
//	float32, float64         float 32, float 64
//	[]byte, [N]byte          bin
//	[]T, [N]T                array; a fixed length must match
//	map[K]T                  map, keys in ascending order; K is a string or an integer
//	struct                   map from names to values; the name is the field's or that of its `msgpack:"name"` tag
//	*T                       T, or nil
//	time.Time                ext −1, the timestamp of msgpack's specification; the instant in UTC, years 1 to 9999
//	netip.Addr, AddrPort, Prefix   bin, the bytes of their MarshalBinary; a zone has at most 15 bytes
//	the file type            the index of its descriptor in the frame, or nil
//
// Nil slices, maps and files travel as nil and stay distinct from empty ones. Fields that are missing are zero values.
// The tag "-" leaves a field out. "omitempty" leaves it out where its value is zero, so that what comes back is what
// was sent: an empty slice that is not nil still travels. Every width of integer and length is read, and only the
// shortest is written.
//
// Everything else is refused when the Plan is made: interfaces, functions, channels, complex numbers, uintptr, unsafe
// pointers, recursive types, types with a codec of their own (encoding.TextMarshaler and its like), pointers to what
// can be nil itself, embedded fields (which of two promoted names wins is a rule that two sides may apply to different
// sources) and unexported fields (to drop them silently would lose data).
package strict

import (
	"fmt"
	"os"
	"reflect"
	"sync"
)

// Defaults of Limits.
const (
	DefaultDepth    = 32      // arrays and maps within each other; also the most that a Plan's type may need
	DefaultElements = 1 << 18 // values in one message
	memoryFactor    = 8       // see Limits.Memory: a number of one byte becomes an int of eight
	memoryFloor     = 1 << 20
)

// MaxFiles is how many descriptors one message can bring: SCM_MAX_FD of unix(7).
const MaxFiles = 253

// Limits bound what one message may ask of its reader. The zero value means the documented defaults.
type Limits struct {
	// Depth is how many arrays and maps may stand within each other. 0: DefaultDepth.
	Depth int
	// Elements is how many values there may be in all; keys of maps count, names of fields do not. 0: DefaultElements.
	Elements int
	// Memory is how many bytes the decoded value may take, an estimate from above of what it allocates. It is needed
	// beside the size of the frame because one byte, an empty map, can stand for a struct of a kilobyte. Only Check
	// and DecodeWithin look at it. 0: eight times the bytes of the message and 1 MiB (9 MiB
	// for a frame of 1 MiB).
	Memory int
}

// Plan is how one Go type travels. It is made once, when an entrypoint is declared; all methods are safe for
// concurrent use.
type Plan struct {
	root     *node
	encoders sync.Pool // of *encoder
}

// NewPlan says how values of type t travel. file is the type, a struct with an embedded *os.File as its only field,
// whose values travel as descriptors; with nil none do. The error names the path to the field that cannot travel, and
// what to do instead.
func NewPlan(t, file reflect.Type) (*Plan, error) {
	if t == nil {
		return nil, fmt.Errorf("strict: no type: an interface cannot travel")
	}
	if file != nil && (file.Kind() != reflect.Struct || file.NumField() != 1 || !file.Field(0).Anonymous ||
		file.Field(0).Type != osFileType) {
		return nil, fmt.Errorf("strict: %v is no file type: it must be struct{ *os.File }", file)
	}
	b := builder{file: file, known: make(map[reflect.Type]*node)}
	root, err := b.node(t, t.String())
	if err != nil {
		return nil, err
	}
	if root.depth > DefaultDepth {
		return nil, fmt.Errorf("strict: %v: %d slices, maps and structs within each other, at most %d can travel",
			t, root.depth, DefaultDepth)
	}
	return &Plan{root: root}, nil
}

// Fingerprint is the shape of the type in canonical text, such as {file:file,mtu:i32,name:str}. Two Plans with the same
// Fingerprint read each other's bytes; names of types, order of fields and omitempty do not matter to it.
func (p *Plan) Fingerprint() string { return p.root.shape }

var osFileType = reflect.TypeFor[*os.File]()
