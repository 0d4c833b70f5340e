package strict

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
)

// TestWriterReader: a header as wire writes it, read back.
func TestWriterReader(t *testing.T) {
	var w Writer
	w.Array(9)
	w.Uint(3)
	w.Int(-5)
	w.String("set_mtu\xff")
	w.Bytes([]byte{1, 2})
	w.Bytes(nil)
	w.Bool(true)
	w.Nil()
	w.Map(1)
	w.Uint(7)
	w.Array(0)
	w.Raw([]byte{0x92, 0x01, 0x80})
	if want := unhex(t, "99 03 fb a8 'set_mtu ff c4020102 c400 c3 c0 81 07 90 92 01 80"); !bytes.Equal(w.Buf, want) {
		t.Fatalf("% x, want % x", w.Buf, want)
	}

	r := NewReader(w.Buf)
	check := func(what string, got, want any, err error) {
		t.Helper()
		if got != want || err != nil {
			t.Fatalf("%s: %v, %v, want %v", what, got, err, want)
		}
	}
	n, err := r.Array()
	check("array", n, 9, err)
	u, err := r.Uint(3)
	check("uint", u, uint64(3), err)
	i, err := r.Int()
	check("int", i, int64(-5), err)
	s, err := r.String(8)
	check("string", s, "set_mtu\xff", err)
	b, err := r.Bytes(2)
	check("bytes", string(b), "\x01\x02", err)
	b, err = r.Bytes(0)
	check("no bytes", string(b), "", err)
	yes, err := r.Bool()
	check("bool", yes, true, err)
	check("nil", r.Nil(), true, nil)
	check("not nil", r.Nil(), false, nil)
	n, err = r.Map()
	check("map", n, 1, err)
	b, err = r.Value()
	check("key", string(b), "\x07", err)
	b, err = r.Value()
	check("empty array", string(b), "\x90", err)
	if r.End() == nil {
		t.Error("End passes before the end")
	}
	b, err = r.Value()
	check("raw", string(b), "\x92\x01\x80", err)
	if cap(b) != len(b) {
		t.Error("to append to what Value returned would write into the message")
	}
	check("end", nil, nil, r.End())
}

// TestReaderRefuses: each call against bytes that are not for it; the Reader stands where it stood.
func TestReaderRefuses(t *testing.T) {
	array := func(r *Reader) error { _, err := r.Array(); return err }
	mapping := func(r *Reader) error { _, err := r.Map(); return err }
	uint8s := func(r *Reader) error { _, err := r.Uint(255); return err }
	ints := func(r *Reader) error { _, err := r.Int(); return err }
	str := func(r *Reader) error { _, err := r.String(4); return err }
	bin := func(r *Reader) error { _, err := r.Bytes(4); return err }
	boolean := func(r *Reader) error { _, err := r.Bool(); return err }
	value := func(r *Reader) error { _, err := r.Value(); return err }
	for _, test := range []struct {
		why   string
		call  func(*Reader) error
		bytes string
		says  string
	}{
		{"nothing", array, "", "ends within"},
		{"4 Gi values", array, "ddffffffff", "beyond the end"},
		{"a map for an array", array, "80", "a map where an array"},
		{"an array for a map", mapping, "90", "an array where a map"},
		{"a pair takes two bytes", mapping, "81 00", "beyond the end"},
		{"above what is asked for", uint8s, "cd0100", "256 is above 255"},
		{"below zero", uint8s, "ff", "a negative integer where"},
		{"nil for 0", uint8s, "c0", "nil where"},
		{"2⁶³", ints, "cf8000000000000000", "does not fit int64"},
		{"a float for an integer", ints, "ca00000000", "a float 32 where"},
		{"too long", str, "a5 'abcde", "at most 4"},
		{"4 GiB", str, "dbffffffff", "beyond the end"},
		{"bytes for a string", str, "c401 'a", "binary data where"},
		{"too long", bin, "c405 'abcde", "at most 4"},
		{"a string for bytes", bin, "a1 'a", "a string where"},
		{"nil for bytes", bin, "c0", "nil where"},
		{"nil for false", boolean, "c0", "nil where"},
		{"0 for false", boolean, "00", "an integer where"},
		{"no value", value, "", "ends within"},
		{"0xc1", value, "92 01 c1", "byte 2: 0xc1"},
		{"cut within", value, "92 01", "beyond the end"},
		{"cut within, later", value, "91 92 01 a2 'a", "beyond the end"},
		{"an ext beyond the end", value, "c7 05 01 00", "beyond the end"},
		// 20 MB of this overflow the stack of vmihailenco/msgpack v5.4.1, which no recover catches.
		{"a hundred arrays within each other", value, strings.Repeat("91", 100) + "c0", "byte 32: more than 32"},
		{"a hundred maps within each other", value, strings.Repeat("8101", 100) + "c0", "more than 32"},
		{"more values than the default", value, "dd00040000" + strings.Repeat("c0", 1<<18), "more than 262144"},
	} {
		r := NewReader(unhex(t, test.bytes))
		err := test.call(r)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: the error does not say %q: %v", test.why, test.says, err)
		}
		if again := test.call(r); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: the second time: %v", test.why, again)
		}
	}
}

func TestReaderWithin(t *testing.T) {
	for _, test := range []struct {
		bytes string
		lim   Limits
		ok    bool
	}{
		{"9191c0", Limits{Depth: 2}, true},
		{"9191c0", Limits{Depth: 1}, false},
		{"9191c0", Limits{Elements: 3}, true},
		{"9191c0", Limits{Elements: 2}, false},
		{"810102", Limits{Elements: 3}, true},
		{"810102", Limits{Elements: 2}, false},
		{strings.Repeat("91", 100) + "c0", Limits{Depth: 100}, true},
		{strings.Repeat("91", 32) + "c0", Limits{}, true},
		{strings.Repeat("91", 33) + "c0", Limits{}, false},
	} {
		data := unhex(t, test.bytes)
		got, err := NewReader(data).Within(test.lim).Value()
		if (err == nil) != test.ok || test.ok && !bytes.Equal(got, data) || !test.ok && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s within %+v: % x, %v", test.bytes, test.lim, got, err)
		}
	}
}

// TestWriterCopied: a copy of a Writer writes into its own Buf, as any struct would.
func TestWriterCopied(t *testing.T) {
	var a Writer
	a.Uint(1)
	b := a
	b.Uint(2)
	a.Uint(3)
	if !bytes.Equal(a.Buf, []byte{1, 3}) || b.Buf[len(b.Buf)-1] == 1 || len(b.Buf) != 2 {
		t.Errorf("% x and % x", a.Buf, b.Buf)
	}
}

func TestWriterPanics(t *testing.T) {
	for _, n := range []int64{-1, math.MaxUint32 + 1} {
		if int64(int(n)) != n {
			continue // a machine of 32 bits has no such int
		}
		for what, call := range map[string]func(){
			"array": func() { new(Writer).Array(int(n)) },
			"map":   func() { new(Writer).Map(int(n)) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s of %d values: the count goes out modulo 2³²", what, n)
					}
				}()
				call()
			}()
		}
	}
}
