package pyjson

import "testing"

func TestString(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `""`},
		{"plain", `"plain"`},
		{"a\"b\\c", `"a\"b\\c"`},
		{"line\nfeed\ttab\rcr", `"line\nfeed\ttab\rcr"`},
		{"\x00\x1b[2J\x7f", `"\u0000\u001b[2J\u007f"`}, // sudo CVE-2023-28486: control characters in a log
		{"é\u202e\u0085", `"\u00e9\u202e\u0085"`},
		{"\xff\x80", `"\udcff\udc80"`},
		{"\ufffd", `"\ufffd"`},
		{"𝄞", `"\ud834\udd1e"`},
		{"half\xc3", `"half\udcc3"`},
	} {
		if got := string(String(nil, c.in)); got != c.want {
			t.Errorf("String(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}

func TestObject(t *testing.T) {
	var o Object
	o.String("s", "x")
	o.Int("n", -1)
	o.Strings("l", []string{"a", "b"})
	o.Strings("e", nil)
	o.Raw("r", []byte("null"))
	want := `{"s": "x", "n": -1, "l": ["a", "b"], "e": [], "r": null}`
	if got := string(o.End()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := string((&Object{}).End()); got != "{}" {
		t.Errorf("an empty object is %s", got)
	}
}
