// Package pyjson writes JSON as Python's json.dumps does: ASCII alone, and bytes that are no UTF-8 as the lone surrogates
// \udc80 to \udcff of os.fsdecode, so that no byte of a command line is lost and no control or bidi character reaches a
// log or a terminal. Reader reads such texts back. Pure; linked by both sides. encoding/json cannot do it: it puts U+FFFD
// for such bytes.
package pyjson

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// String appends s as a JSON string.
func String(dst []byte, s string) []byte {
	dst, _ = escape(append(dst, '"'), s, true)
	return append(dst, '"')
}

// Part appends what stands between the quotes of a JSON string for text that comes in parts. The end of b may be the
// beginning of a character: these 1 to 3 bytes come back as rest, to be put before the next part. last takes them too.
func Part(dst, b []byte, last bool) (out, rest []byte) {
	out, used := escape(dst, b, last)
	return out, b[used:]
}

func escape[T string | []byte](dst []byte, s T, last bool) (out []byte, used int) {
	i, plain := 0, 0
	for i < len(s) {
		if c := s[i]; c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[plain:i]...)
		head := string(s[i:min(i+utf8.UTFMax, len(s))])
		if !last && len(head) < utf8.UTFMax && !utf8.FullRuneInString(head) {
			return dst, i
		}
		r, size := utf8.DecodeRuneInString(head)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = unit(dst, 0xdc00+uint16(s[i]))
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = unit(unit(dst, uint16(high)), uint16(low))
		default:
			dst = unit(dst, uint16(r))
		}
		i += size
		plain = i
	}
	return append(dst, s[plain:]...), len(s)
}

func unit(dst []byte, u uint16) []byte {
	return append(dst, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
}

// Strings appends a list of strings, [] for none.
func Strings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = String(dst, s)
	}
	return append(dst, ']')
}

// An Object appends an object key by key. The zero value begins a new one; End closes it.
type Object struct{ Buf []byte }

func (o *Object) key(k string) {
	if len(o.Buf) == 0 {
		o.Buf = append(o.Buf, '{')
	} else {
		o.Buf = append(o.Buf, ", "...)
	}
	o.Buf = append(String(o.Buf, k), ": "...)
}

// String adds a string.
func (o *Object) String(k, v string) { o.key(k); o.Buf = String(o.Buf, v) }

// Strings adds a list of strings.
func (o *Object) Strings(k string, v []string) { o.key(k); o.Buf = Strings(o.Buf, v) }

// Int adds a number.
func (o *Object) Int(k string, v int64) { o.key(k); o.Buf = strconv.AppendInt(o.Buf, v, 10) }

// Raw adds a value that is JSON already.
func (o *Object) Raw(k string, v []byte) { o.key(k); o.Buf = append(o.Buf, v...) }

// End closes the object and returns it.
func (o *Object) End() []byte {
	if len(o.Buf) == 0 {
		o.Buf = append(o.Buf, '{')
	}
	return append(o.Buf, '}')
}
