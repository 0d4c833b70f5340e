//go:build linux

package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"
)

// verdict is what explain --json prints, to the letter of its contract.
type verdict struct {
	Outcome string   `json:"outcome"`
	Filter  string   `json:"filter"`
	Class   string   `json:"class"`
	File    string   `json:"file"`
	Line    int      `json:"line"`
	RunAs   string   `json:"run_as"`
	Command []string `json:"command"`
	Env     []string `json:"env"`
	Unsafe  []string `json:"unsafe"`
	Near    []struct {
		Filter string `json:"filter"`
		Reason string `json:"reason"`
	} `json:"near"`
}

// jsonField is `json FIELD VALUE`: the standard output is one verdict and nothing else, and FIELD of it, as compact JSON,
// is VALUE. `! json FIELD VALUE` wants another value.
func jsonField(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json FIELD VALUE")
	}
	text := []byte(ts.ReadFile("stdout"))
	var v verdict
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	ts.Check(d.Decode(&v))
	if _, err := d.Token(); err != io.EOF {
		ts.Fatalf("more than one object: %s", text)
	}
	if !slices.Contains([]string{"match", "unauthorized", "not_executable"}, v.Outcome) {
		ts.Fatalf("outcome %q", v.Outcome)
	}
	var fields map[string]json.RawMessage
	ts.Check(json.Unmarshal(text, &fields))
	for _, list := range []string{"command", "env", "unsafe", "near"} {
		if raw := fields[list]; len(raw) == 0 || raw[0] != '[' {
			ts.Fatalf("%s is %s, want a list", list, raw)
		}
	}
	var compact bytes.Buffer
	if raw, ok := fields[args[0]]; ok {
		ts.Check(json.Compact(&compact, raw))
	}
	if (compact.String() == args[1]) == neg {
		ts.Fatalf("%s is %s", args[0], compact.Bytes())
	}
}
