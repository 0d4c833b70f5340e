package pyjson

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

var errShape = errors.New("no shape of this test")

func read(text string) (string, error) {
	r := NewReader([]byte(text))
	s := r.String()
	return s, r.End()
}

func TestReaderString(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`""`, ""},
		{` "plain" `, "plain"},
		{`"a\"b\\c\/\b\f\n\r\t"`, "a\"b\\c/\b\f\n\r\t"},
		{`"\udcff\udc80x"`, "\xff\x80x"},
		{`"\ud834\udd1e"`, "𝄞"},
		{`"\ud800\udc80"`, "\U00010080"}, // a pair, and not a byte after half of one
		{`"é\u00E9"`, "éé"},
		{`"x\u0000y"`, "x\x00y"},
	} {
		if got, err := read(c.in); got != c.want || err != nil {
			t.Errorf("%s reads as %q, %v, want %q", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{`"`, `"\`, `"\"`, `"\x41"`, `"\u12"`, `"\u12g4"`, `"a` + "\n" + `b"`, "\"\xff\"", "\"a\\n\xc3\"",
		`"\ud800"`, `"\udc00"`, `"\udc7f"`, `"\ud800\ud800"`, `x`, ``, `"a" "b"`, `1`, `null`} {
		if got, err := read(in); err == nil {
			t.Errorf("%q reads as %q", in, got)
		}
	}
}

// A text of brackets alone must end at once, and not the stack: json.loads raises RecursionError there.
func TestReaderNonsense(t *testing.T) {
	for _, text := range []string{strings.Repeat("[", 1<<20), `{"a": `, `[,]`, `["a",]`, `["a" "b"]`, `{"a" 1}`, `["a"]]`, `{`, `[`} {
		r := NewReader([]byte(text))
		for more := r.Open('['); more; more = r.More(']') {
			_ = r.String()
		}
		if err := r.End(); err == nil {
			t.Errorf("%.20q is a list of strings", text)
		}
	}
}

func TestReaderShape(t *testing.T) {
	r := NewReader([]byte(` [ null , { "k" : "v" } , [ ] , {} ] `))
	if !r.Open('[') || !r.Null() {
		t.Fatal(r.End())
	}
	r.Comma()
	if r.Next() != '{' || !r.Open('{') || r.Key() != "k" || r.String() != "v" || r.More('}') {
		t.Fatal(r.End())
	}
	r.Comma()
	if r.Open('[') {
		t.Error("an empty list has a value")
	}
	r.Comma()
	if r.Open('{') {
		t.Error("an empty object has a key")
	}
	r.Close(']')
	if err := r.End(); err != nil {
		t.Error(err)
	}
}

// Python reads what String writes as the same bytes, and what Python writes String reads as the same.
func TestAgainstPython(t *testing.T) {
	python := testenv.NeedProgram(t, "python3", "python3")
	var all []byte
	for a := range 256 {
		for _, b := range []string{"", "\x80", "\xbf\xbf", "\x9f\x98\x80", "a"} {
			all = append(append(all, byte(a)), b...)
		}
	}
	cmd := exec.Command(python, "-c", `
import json, os, sys
text = sys.stdin.buffer.read().decode('utf-8')
sys.stdout.write(json.dumps(os.fsdecode(os.fsencode(json.loads(text)))))`)
	cmd.Env = []string{"PYTHONUTF8=1"}
	cmd.Stdin = bytes.NewReader(String(nil, string(all)))
	got, err := read(string(testenv.Output(t, cmd)))
	if err != nil || got != string(all) {
		t.Errorf("%v: %d bytes came back as %d", err, len(all), len(got))
	}
}

// Text in parts is written as the whole is, wherever it is cut.
func FuzzParts(f *testing.F) {
	f.Add([]byte("a\xf0\x9d\x84\x9e\xc3\xa9\xff\xed\xa0\x80\""), uint16(2))
	f.Fuzz(func(t *testing.T, text []byte, cut uint16) {
		at := int(cut) % (len(text) + 1)
		out, rest := Part([]byte{'"'}, text[:at], false)
		if len(rest) >= 4 {
			t.Fatalf("%d bytes are left over", len(rest))
		}
		out, rest = Part(out, append(bytes.Clone(rest), text[at:]...), true)
		if out = append(out, '"'); len(rest) > 0 || !bytes.Equal(out, String(nil, string(text))) {
			t.Errorf("%q cut at %d: %s, rest %q", text, at, out, rest)
		}
		if got, err := read(string(out)); err != nil || got != string(text) {
			t.Errorf("%q comes back as %q, %v", text, got, err)
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`[null, "a\udcff", {"k": "\ud834\udd1e"}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := NewReader(text)
		for more := r.Open('['); more; more = r.More(']') {
			switch r.Next() {
			case '"':
				_ = r.String()
			case '{':
				for more := r.Open('{'); more; more = r.More('}') {
					r.Key()
					_ = r.String()
				}
			default:
				if !r.Null() {
					r.Fail(errShape)
				}
			}
		}
		if err := r.End(); err == nil && r.Next() != 0 {
			t.Error("something follows the end")
		}
	})
}
