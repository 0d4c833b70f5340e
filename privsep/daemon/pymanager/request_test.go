package pymanager

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestParseRequest(t *testing.T) {
	for _, c := range []struct {
		frame string
		want  request
	}{
		{`[null, "dummy", [], {}]`, request{method: methodDummy}},
		{`[null, "create", ["rootwrap"], {}]`, request{method: methodCreate, text: "rootwrap"}},
		{`[null, "incref", ["1"], {}]`, request{method: methodIncref, text: "1"}},
		{`[null, "accept_connection", ["MainProcess|Thread-1 (f)"], {}]`, request{method: methodAccept, text: "MainProcess|Thread-1 (f)"}},
		{`["1", "shutdown", [], {}]`, request{ident: "1", method: methodShutdown}},
		{`["1", "run_one_command", [["echo", "a\udcff"], null], {}]`, request{ident: "1", method: methodRun, argv: []string{"echo", "a\xff"}}},
		{`["1", "run_one_command", [["cat"], "x"], {}]`, request{ident: "1", method: methodRun, argv: []string{"cat"}, stdin: "x", input: true}},
		{`["1", "run_one_command", [["cat", {"__bytes__": "/w=="}], {"__bytes__": ""}], {}]`,
			request{ident: "1", method: methodRun, argv: []string{"cat", "\xff"}, input: true}},
		{`["1", "run_one_command", [[]], {}]`, request{ident: "1", method: methodRun}},
	} {
		got, err := parseRequest([]byte(c.frame))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v", c.frame, got, err)
		}
	}
	for _, frame := range []string{``, `null`, `[]`, `{}`, `[null, "dummy", [], {}`, `[null, "dummy", [], {}]]`, `[null, "dummy", ["x"], {}]`,
		`[null, "dummy", [], {"a": "b"}]`, `["", "dummy", [], {}]`, `[1, "dummy", [], {}]`, `[null, "debug_info", [], {}]`,
		`["1", "__class__", [], {}]`, `["1", "run_one_command", [], {}]`, `["1", "run_one_command", ["echo"], {}]`,
		`["1", "run_one_command", [["echo", 1], null], {}]`, `["1", "run_one_command", [["echo", null], null], {}]`,
		`["1", "run_one_command", [["echo"], null, null], {}]`, `["1", "run_one_command", [["echo"], ["x"]], {}]`,
		`["1", "run_one_command", [["echo", {"__bytes__": "*"}], null], {}]`, `["1", "run_one_command", [["echo", {"__exception__": "x"}], null], {}]`,
		`["1", "run_one_command", [["echo", {"__bytes__": "", "x": ""}], null], {}]`, `["1", "run_one_command", [["\ud800"], null], {}]`,
		`["1", "run_one_command", [[` + strings.Repeat(`"",`, maxArgs) + `""], null], {}]`,
		strings.Repeat("[", 1<<16), `["1", "run_one_command", ` + strings.Repeat("[", 1<<16)} {
		if got, err := parseRequest([]byte(frame)); err == nil {
			t.Errorf("%.80s is %+v", frame, got)
		}
	}
}

// What is accepted is what encoding/json reads as well, and holds no more bytes than the frame.
func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`["1", "run_one_command", [["cat", {"__bytes__": "/w=="}, "\udcff"], "in"], {}]`))
	f.Add([]byte(`[null, "create", ["rootwrap"], {}]`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		q, err := parseRequest(frame)
		if err != nil {
			return
		}
		var list []any
		if err := json.Unmarshal(frame, &list); err != nil || len(list) != 4 || list[1] != q.method {
			t.Fatalf("%q is %+v, and for encoding/json %v, %v", frame, q, list, err)
		}
		size := len(q.ident) + len(q.method) + len(q.text) + len(q.stdin)
		for _, a := range q.argv {
			size += len(a)
		}
		if size > len(frame) {
			t.Errorf("%q: %d bytes of %d", frame, size, len(frame))
		}
	})
}

func TestWriteResult(t *testing.T) {
	var b bytes.Buffer
	if err := writeResult(&b, -9, &output{}, &output{}); err != nil {
		t.Fatal(err)
	}
	if got, err := readFrame(&b, 100, nil); err != nil || string(got) != `["#RETURN", [-9, "", ""]]` {
		t.Errorf("%s, %v", got, err)
	}
}

// A result that comes in pieces is the same as one in a single piece, however it is cut.
func FuzzWriteResult(f *testing.F) {
	f.Add([]byte("a\xf0\x9d\x84\x9e\xc3\xa9\xff\xed\xa0\x80\""), uint8(1), uint8(3))
	f.Add(bytes.Repeat([]byte("\xf0\x9d\x84\x9e"), 100), uint8(7), uint8(0))
	f.Fuzz(func(t *testing.T, text []byte, first, second uint8) {
		a := min(int(first), len(text))
		b := min(a+int(second), len(text))
		whole := encoded(t, &output{pieces: [][]byte{text}})
		if cut := encoded(t, &output{pieces: [][]byte{text[:a], text[a:b], {}, text[b:]}}); !bytes.Equal(whole, cut) {
			t.Errorf("cut at %d and %d: %q, whole %q", a, b, cut, whole)
		}
		var each output
		for i := range text {
			each.pieces = append(each.pieces, text[i:i+1])
		}
		if got := encoded(t, &each); !bytes.Equal(whole, got) {
			t.Errorf("byte by byte: %q, whole %q", got, whole)
		}
	})
}

func encoded(t *testing.T, o *output) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writeResult(&b, 0, o, &output{pieces: [][]byte{[]byte("é")}}); err != nil {
		t.Fatal(err)
	}
	frame, err := readFrame(&b, 1<<30, nil)
	if err != nil || b.Len() > 0 {
		t.Fatalf("%v, %d bytes after the frame", err, b.Len())
	}
	return frame
}

func TestFailed(t *testing.T) {
	if got := string(failed("a \"b\"")); got != `["#TRACEBACK", "privhelper: a \"b\""]` {
		t.Error(got)
	}
}
