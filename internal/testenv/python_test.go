package testenv_test

import (
	"encoding/json"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

func TestPythonBytes(t *testing.T) {
	for text, want := range map[string]string{
		`"plain \u00e9 é"`:       "plain é é",
		`"\udcff\udc80x"`:        "\xff\x80x",
		`"\uDCff"`:               "\xff",
		`"\ud83d\udc80"`:         "\U0001f480", // a pair
		`"\\ud83d\udc80"`:        "\\ud83d\x80",
		`"\\udcff"`:              `\udcff`,
		`"\\\udcff"`:             "\\\xff",
		`"\"\udcc3\udca9\u0000"`: "\"\xc3\xa9\x00",
	} {
		var s string
		if err := json.Unmarshal(testenv.PythonJSON([]byte(text)), &s); err != nil {
			t.Fatal(err)
		}
		if got := testenv.PythonBytes(s); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
