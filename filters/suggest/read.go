package suggest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/privhelper/privhelper/internal/pyjson"
)

// Skipped counts what Read could not use.
type Skipped struct {
	Cut   int // command lines that the log holds in part
	Other int // lines that are no decision: events, ends, and what something else wrote
}

// maxLine is more than the audit log writes.
const maxLine = 1 << 20

// Read takes the decisions out of an audit log. What stands before the first { of a line, as syslog writes it, does not
// count. The error is the reader's; a line that is too long ends the reading with bufio.ErrTooLong.
func Read(r io.Reader) (lines []Line, skipped Skipped, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		l, err := parse(s.Bytes())
		switch {
		case errors.Is(err, errCut):
			skipped.Cut++
		case err != nil:
			skipped.Other++
		default:
			lines = append(lines, l)
		}
	}
	return lines, skipped, s.Err()
}

var (
	errCut        = errors.New("the command line is cut")
	errNoDecision = errors.New("it is no decision")
)

// parse reads one line of privsep/daemon/audit.
func parse(text []byte) (Line, error) {
	i := bytes.IndexByte(text, '{')
	if i < 0 {
		return Line{}, errNoDecision
	}
	var raw struct {
		Decision string          `json:"decision"`
		UID      uint32          `json:"client_uid"`
		Argv     json.RawMessage `json:"argv"`
		Count    *int            `json:"argv_count"`
		Env      json.RawMessage `json:"env"`
		EnvCount *int            `json:"env_count"`
		Dir      string          `json:"dir"`
		Rule     string          `json:"rule"`
		File     string          `json:"file"`
		RunAs    string          `json:"run_as"`
	}
	if err := json.Unmarshal(text[i:], &raw); err != nil {
		return Line{}, err
	}
	l := Line{UID: raw.UID, Dir: raw.Dir, Rule: raw.Rule, File: raw.File, RunAs: raw.RunAs}
	switch raw.Decision {
	case "match":
		l.Allowed = true
	case "unauthorized", "not_executable":
	default:
		return Line{}, errNoDecision
	}
	if raw.Count != nil || raw.EnvCount != nil {
		return Line{}, errCut
	}
	var err error
	if l.Argv, err = stringList(raw.Argv); err != nil {
		return Line{}, err
	}
	if len(raw.Env) > 0 {
		if l.Env, err = stringList(raw.Env); err != nil {
			return Line{}, err
		}
	}
	if len(l.Argv) == 0 {
		return Line{}, errNoDecision
	}
	return l, nil
}

// stringList reads a list with the bytes that the caller gave: encoding/json would put U+FFFD for those that are no UTF-8.
func stringList(text []byte) (list []string, err error) {
	r := pyjson.NewReader(text)
	for more := r.Open('['); more; more = r.More(']') {
		list = append(list, r.String())
	}
	return list, r.End()
}
