package pyjson

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A Reader reads a JSON text of a known shape, value by value, as its caller asks for them. It builds no tree: a text of a
// MiB of brackets takes no more memory than its caller makes of it, and no depth ends the stack.
//
//	r := pyjson.NewReader(text)
//	for more := r.Open('['); more; more = r.More(']') {
//		argv = append(argv, r.String())
//	}
//	err := r.End()
//
// The first error stays: everything after it reads as nothing, and End returns it. Not for concurrent use.
type Reader struct {
	text []byte
	at   int
	err  error
}

// NewReader reads text, which is not copied and not changed.
func NewReader(text []byte) *Reader { return &Reader{text: text} }

// Open reads the '[' or '{' that begins a list or an object, and reports whether a value or key follows in it. An empty
// one is read to its end.
func (r *Reader) Open(bracket byte) bool {
	if !r.expect(bracket) {
		return false
	}
	return !r.take(bracket + 2) // in ASCII [ and ], { and } are two apart
}

// More stands after a value of a list or an object: it reports whether another one follows, or reads the end, which is
// ']' or '}'.
func (r *Reader) More(end byte) bool {
	if r.err != nil || r.take(end) {
		return false
	}
	return r.expect(',')
}

// Comma reads the comma before a value that must be there.
func (r *Reader) Comma() { r.expect(',') }

// Key reads the name of an object's next value and its colon.
func (r *Reader) Key() string {
	key := r.String()
	r.expect(':')
	return key
}

// Close reads the end of a list or an object whose last value has been read.
func (r *Reader) Close(end byte) { r.expect(end) }

// Null reads null, if that is what follows.
func (r *Reader) Null() bool {
	r.space()
	if r.err != nil || len(r.text)-r.at < 4 || string(r.text[r.at:r.at+4]) != "null" {
		return false
	}
	r.at += 4
	return true
}

// Next returns the first byte of the next value, which is not read, or 0 at the end and after an error.
func (r *Reader) Next() byte {
	r.space()
	if r.err != nil || r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

// Fail makes err the Reader's error, unless there is one.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// End wants nothing but white space to follow, and returns the first error.
func (r *Reader) End() error {
	if r.space(); r.err == nil && r.at < len(r.text) {
		r.wrong("the end")
	}
	return r.err
}

// String reads a string as os.fsencode gives it: UTF-8, and the lone surrogates \udc80 to \udcff as the bytes 0x80 to
// 0xff. Any other lone surrogate is an error, as it is there.
func (r *Reader) String() string {
	if !r.expect('"') {
		return ""
	}
	begin := r.at
	for r.at < len(r.text) && r.text[r.at] != '"' && r.text[r.at] != '\\' && r.text[r.at] >= ' ' {
		r.at++
	}
	if r.at < len(r.text) && r.text[r.at] == '"' { // most have no escape
		return r.valid(begin, r.at, nil)
	}
	var out []byte
	for r.err == nil && r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == '"':
			return r.valid(begin, r.at, out)
		case c == '\\':
			out = append(out, r.valid(begin, r.at, nil)...)
			r.at--
			out = r.escaped(out)
			begin = r.at
		case c < ' ':
			r.wrong("a string without raw control characters")
		default:
			r.at++
		}
	}
	r.wrong("the end of a string")
	return ""
}

// valid returns head and the text between the two places, and goes on behind the quote at the second.
func (r *Reader) valid(begin, end int, head []byte) string {
	if !utf8.Valid(r.text[begin:end]) {
		r.wrong("UTF-8")
		return ""
	}
	r.at = end + 1
	if head == nil {
		return string(r.text[begin:end])
	}
	return string(append(head, r.text[begin:end]...))
}

// escaped reads an escape.
func (r *Reader) escaped(out []byte) []byte {
	if r.at+1 >= len(r.text) {
		r.wrong("an escape")
		return out
	}
	c := r.text[r.at+1]
	if c != 'u' {
		plain, ok := escapes[c]
		if !ok {
			r.wrong("an escape")
			return out
		}
		r.at += 2
		return append(out, plain)
	}
	first, ok := r.unit(r.at)
	if !ok {
		r.wrong("four hexadecimal digits")
		return out
	}
	if second, ok := r.unit(r.at + 6); ok {
		if pair := utf16.DecodeRune(rune(first), rune(second)); pair != utf8.RuneError {
			r.at += 12
			return utf8.AppendRune(out, pair)
		}
	}
	switch {
	case first >= 0xdc80 && first <= 0xdcff:
		out = append(out, byte(first))
	case utf16.IsSurrogate(rune(first)):
		r.wrong("a character: surrogates not allowed")
		return out
	default:
		out = utf8.AppendRune(out, rune(first))
	}
	r.at += 6
	return out
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unit reads \uXXXX at a place, without going on behind it.
func (r *Reader) unit(at int) (u uint16, ok bool) {
	if len(r.text)-at < 6 || r.text[at] != '\\' || r.text[at+1] != 'u' {
		return 0, false
	}
	for _, c := range r.text[at+2 : at+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		u = u<<4 | uint16(c)
	}
	return u, true
}

func (r *Reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// take reads c if it follows.
func (r *Reader) take(c byte) bool {
	if r.Next() != c || c == 0 {
		return false
	}
	r.at++
	return true
}

func (r *Reader) expect(c byte) bool {
	if !r.take(c) {
		r.wrong(fmt.Sprintf("%q", c))
		return false
	}
	return true
}

func (r *Reader) wrong(want string) {
	r.Fail(fmt.Errorf("at byte %d: want %s", r.at, want))
}

// Uint reads a whole number without sign, fraction or exponent.
func (r *Reader) Uint() uint64 {
	r.space()
	begin := r.at
	for r.err == nil && r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' {
		r.at++
	}
	n, err := strconv.ParseUint(string(r.text[begin:r.at]), 10, 64)
	if err != nil {
		r.wrong("a whole number")
	}
	return n
}

// Skip reads a value that nobody asks for, and holds it to no more than that its brackets and strings end.
func (r *Reader) Skip() {
	for depth := 0; r.err == nil; {
		switch c := r.Next(); c {
		case '"':
			_ = r.String()
		case '{', '[':
			depth++
			r.at++
			continue
		case '}', ']':
			depth--
			r.at++
		case ',', ':':
			if depth == 0 {
				r.wrong("a value")
			}
			r.at++
			continue
		default:
			begin := r.at
			for r.at < len(r.text) && (r.text[r.at]|0x20 >= 'a' && r.text[r.at]|0x20 <= 'z' || r.text[r.at] >= '0' && r.text[r.at] <= '9' ||
				r.text[r.at] == '-' || r.text[r.at] == '+' || r.text[r.at] == '.') {
				r.at++
			}
			if r.at == begin {
				r.wrong("a value")
			}
		}
		if depth < 0 {
			r.wrong("a value")
		}
		if depth <= 0 {
			return
		}
	}
}
