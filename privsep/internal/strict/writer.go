package strict

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// This is the one file that imports vmihailenco/msgpack. What its Encoder's primitives write is sound: the shortest
// form of every integer and length. What is not used, and why:
//
//   - Encode and EncodeValue: they call whatever codec a type brings along, drop unexported fields silently, and write
//     the keys of maps in random order.
//   - All of the Decoder. Decode and DecodeInterface recurse and allocate as the bytes tell them (`dd ff ff ff ff` is
//     64 GiB). Its primitives truncate integers, take nil for 0, "" and false, take a string for bytes and an array for
//     a time; on bytes that Check has passed they would be right, but there they would be a second parser of the same
//     bytes, which must never come to disagree with the first, copy every string twice and keep a buffer of the
//     longest. Check and Decode therefore read through one function, parse; the library's Decoder is the peer that
//     the tests compare it with.

// Writer writes the values of a message in their shortest form, for the headers of our own messages. The zero value is
// ready to use. Buf is what has been written; to reuse the memory set it to Buf[:0], and to append to something of your
// own set it before the first call. A Writer is for one goroutine.
type Writer struct {
	Buf []byte

	self *Writer // where enc writes to: a copy of a Writer makes an encoder of its own
	enc  *msgpack.Encoder
}

// sink is a Writer as the library wants it. It never fails, so the errors of the Encoder's primitives, which have no
// other source, are not looked at.
type sink Writer

func (s *sink) Write(p []byte) (int, error) {
	s.Buf = append(s.Buf, p...)
	return len(p), nil
}

func (s *sink) WriteByte(c byte) error {
	s.Buf = append(s.Buf, c)
	return nil
}

func (w *Writer) encoder() *msgpack.Encoder {
	if w.self != w {
		w.self, w.enc = w, msgpack.NewEncoder((*sink)(w))
	}
	return w.enc
}

// Array begins an array of n values, which the next n calls write. It panics where n is negative or above 2³²−1, as
// do Map, String and Bytes: the library would write the length modulo 2³².
func (w *Writer) Array(n int) { _ = w.encoder().EncodeArrayLen(length(n)) }

// Map begins a map of n pairs, which the next 2n calls write: key, value, key, value.
func (w *Writer) Map(n int) { _ = w.encoder().EncodeMapLen(length(n)) }

// Uint writes an unsigned integer.
func (w *Writer) Uint(n uint64) { _ = w.encoder().EncodeUint(n) }

// Int writes a signed integer.
func (w *Writer) Int(n int64) { _ = w.encoder().EncodeInt(n) }

// String writes a str. Its bytes need not be UTF-8.
func (w *Writer) String(s string) {
	length(len(s))
	_ = w.encoder().EncodeString(s)
}

// Bytes writes a bin, an empty one for nil.
func (w *Writer) Bytes(b []byte) {
	_ = w.encoder().EncodeBytesLen(length(len(b)))
	w.Buf = append(w.Buf, b...)
}

// Bool writes true or false.
func (w *Writer) Bool(b bool) { _ = w.encoder().EncodeBool(b) }

// Nil writes nil.
func (w *Writer) Nil() { _ = w.encoder().EncodeNil() }

// Raw writes a value that is msgpack already. It must be one whole value.
func (w *Writer) Raw(value []byte) { w.Buf = append(w.Buf, value...) }

func (w *Writer) float32(f float32) { _ = w.encoder().EncodeFloat32(f) }
func (w *Writer) float64(f float64) { _ = w.encoder().EncodeFloat64(f) }
func (w *Writer) time(t time.Time)  { _ = w.encoder().EncodeTime(t) }

// binHead begins a bin whose n bytes the caller appends to Buf.
func (w *Writer) binHead(n int) { _ = w.encoder().EncodeBytesLen(length(n)) }

func length(n int) int {
	if uint64(n) > math.MaxUint32 {
		panic(fmt.Sprintf("strict: a length of %d cannot be written", n))
	}
	return n
}

// foreignCodec names the interface by which values of type t would encode or decode themselves, "" where there is
// none. Asked by Implements and not by a method's name: reflect's MethodByName makes the linker keep every method of
// every type.
func foreignCodec(t reflect.Type) string {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return "" // the element is asked; interfaces are refused as such
	}
	for _, codec := range []reflect.Type{
		reflect.TypeFor[msgpack.CustomEncoder](), reflect.TypeFor[msgpack.CustomDecoder](),
		reflect.TypeFor[msgpack.Marshaler](), reflect.TypeFor[msgpack.Unmarshaler](),
		reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	} {
		if reflect.PointerTo(t).Implements(codec) {
			return codec.String()
		}
	}
	return ""
}
