package pyjson_test

import (
	"testing"

	"github.com/privhelper/privhelper/internal/pyjson"
)

func TestSkip(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a": 1}`: true, `{"a": -1.5e+3}`: true, `{"a": null}`: true, `{"a": {"b": [1, "]", {}], "c": "}"}}`: true, `{"a": []}`: true,
		`{"a": }`: false, `{"a": ,}`: false, `{"a": [}`: false, `{"a": "x}`: false, `{"a": ]}`: false, `{"a"`: false, `{"a": [1`: false, `{"a": 1]`: false,
	} {
		r := pyjson.NewReader([]byte(text))
		for more := r.Open('{'); more; more = r.More('}') {
			r.Key()
			r.Skip()
		}
		if err := r.End(); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestUint(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, " 4294967294": 4294967294, "18446744073709551615": 1<<64 - 1} {
		r := pyjson.NewReader([]byte(text))
		if got := r.Uint(); got != want || r.End() != nil {
			t.Errorf("%s: %d, %v", text, got, r.Err())
		}
	}
	for _, text := range []string{"", "-1", "1.5", "1e3", "x", "18446744073709551616"} {
		r := pyjson.NewReader([]byte(text))
		if r.Uint(); r.End() == nil {
			t.Errorf("%s was taken", text)
		}
	}
}
