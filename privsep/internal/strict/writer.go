package strict

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Writer writes the values of a message in their shortest form, for the headers of our own messages. The zero value is
// ready to use. Buf is what has been written; to reuse the memory set it to Buf[:0], and to append to something of your
// own set it before the first call. A Writer is for one goroutine.
//
// It is the inverse of parse, and like parse it is ours and not vmihailenco/msgpack's, which the tests hold both
// against. That library is 5,000 lines more for root to link: it takes codecs from whatever type brings one along,
// drops unexported fields silently, writes the keys of maps in random order, and decodes as the bytes tell it
// (`dd ff ff ff ff` is 64 GiB).
type Writer struct {
	Buf []byte
}

// Array begins an array of n values, which the next n calls write. It panics where n is negative or above 2³²−1, which
// cannot be written, as do Map, String and Bytes.
func (w *Writer) Array(n int) { w.count(0x90, 0xdc, n) }

// Map begins a map of n pairs, which the next 2n calls write: key, value, key, value.
func (w *Writer) Map(n int) { w.count(0x80, 0xde, n) }

// Uint writes an unsigned integer.
func (w *Writer) Uint(n uint64) {
	if n < 0x80 {
		w.Buf = append(w.Buf, byte(n))
		return
	}
	w.number(0xcc, n)
}

// Int writes a signed integer.
func (w *Writer) Int(n int64) {
	switch {
	case n >= 0:
		w.Uint(uint64(n))
	case n >= -32:
		w.Buf = append(w.Buf, byte(n))
	case n >= math.MinInt8:
		w.Buf = append(w.Buf, 0xd0, byte(n))
	case n >= math.MinInt16:
		w.Buf = binary.BigEndian.AppendUint16(append(w.Buf, 0xd1), uint16(n))
	case n >= math.MinInt32:
		w.Buf = binary.BigEndian.AppendUint32(append(w.Buf, 0xd2), uint32(n))
	default:
		w.Buf = binary.BigEndian.AppendUint64(append(w.Buf, 0xd3), uint64(n))
	}
}

// String writes a str. Its bytes need not be UTF-8.
func (w *Writer) String(s string) {
	if len(s) < 32 {
		w.Buf = append(w.Buf, 0xa0|byte(len(s)))
	} else {
		w.number(0xd9, length(len(s)))
	}
	w.Buf = append(w.Buf, s...)
}

// Bytes writes a bin, an empty one for nil.
func (w *Writer) Bytes(b []byte) {
	w.binHead(len(b))
	w.Buf = append(w.Buf, b...)
}

// Bool writes true or false.
func (w *Writer) Bool(b bool) {
	if b {
		w.Buf = append(w.Buf, 0xc3)
	} else {
		w.Buf = append(w.Buf, 0xc2)
	}
}

// Nil writes nil.
func (w *Writer) Nil() { w.Buf = append(w.Buf, 0xc0) }

// Raw writes a value that is msgpack already. It must be one whole value.
func (w *Writer) Raw(value []byte) { w.Buf = append(w.Buf, value...) }

func (w *Writer) float32(f float32) {
	w.Buf = binary.BigEndian.AppendUint32(append(w.Buf, 0xca), math.Float32bits(f))
}

func (w *Writer) float64(f float64) {
	w.Buf = binary.BigEndian.AppendUint64(append(w.Buf, 0xcb), math.Float64bits(f))
}

// time writes a timestamp in the shortest of the three forms that readTime reads.
func (w *Writer) time(t time.Time) {
	sec, nsec := uint64(t.Unix()), uint64(t.Nanosecond())
	switch {
	case sec>>32 == 0 && nsec == 0:
		w.Buf = append(w.Buf, 0xd6, timestampByte)
		w.Buf = binary.BigEndian.AppendUint32(w.Buf, uint32(sec))
	case sec>>34 == 0:
		w.Buf = append(w.Buf, 0xd7, timestampByte)
		w.Buf = binary.BigEndian.AppendUint64(w.Buf, nsec<<34|sec)
	default:
		w.Buf = append(w.Buf, 0xc7, 12, timestampByte)
		w.Buf = binary.BigEndian.AppendUint32(w.Buf, uint32(nsec))
		w.Buf = binary.BigEndian.AppendUint64(w.Buf, sec)
	}
}

// binHead begins a bin whose n bytes the caller appends to Buf.
func (w *Writer) binHead(n int) { w.number(0xc4, length(n)) }

// count writes the head of an array or a map: few and n in one byte, or wide or the code behind it and 2 or 4 bytes.
func (w *Writer) count(few, wide byte, n int) {
	switch num := length(n); {
	case num < 16:
		w.Buf = append(w.Buf, few|byte(num))
	case num <= math.MaxUint16:
		w.Buf = binary.BigEndian.AppendUint16(append(w.Buf, wide), uint16(num))
	default:
		w.Buf = binary.BigEndian.AppendUint32(append(w.Buf, wide+1), uint32(num))
	}
}

// number writes n in 1, 2, 4 or 8 bytes behind code or one of the three codes that follow it: integers from 0 up, and
// the lengths of strings and bins, which length keeps below the last.
func (w *Writer) number(code byte, n uint64) {
	switch {
	case n <= math.MaxUint8:
		w.Buf = append(w.Buf, code, byte(n))
	case n <= math.MaxUint16:
		w.Buf = binary.BigEndian.AppendUint16(append(w.Buf, code+1), uint16(n))
	case n <= math.MaxUint32:
		w.Buf = binary.BigEndian.AppendUint32(append(w.Buf, code+2), uint32(n))
	default:
		w.Buf = binary.BigEndian.AppendUint64(append(w.Buf, code+3), n)
	}
}

// length is n as it is written.
func length(n int) uint64 {
	if uint64(n) > math.MaxUint32 {
		panic(fmt.Sprintf("strict: a length of %d cannot be written", n))
	}
	return uint64(n)
}
