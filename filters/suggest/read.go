package suggest

import (
	"bufio"
	"bytes"
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
	var l Line
	decision, cut := "", false
	r := pyjson.NewReader(text[i:])
	for more := r.Open('{'); more; more = r.More('}') {
		switch r.Key() {
		case "decision":
			decision = r.String()
		case "client_uid":
			l.UID = uint32(r.Uint())
		case "argv":
			l.Argv = stringList(r)
		case "env":
			l.Env = stringList(r)
		case "dir":
			l.Dir = r.String()
		case "rule":
			l.Rule = r.String()
		case "file":
			l.File = r.String()
		case "run_as":
			l.RunAs = r.String()
		case "learned":
			l.Learned = true
			r.Skip()
		case "argv_count", "env_count":
			cut = true
			r.Skip()
		default:
			r.Skip()
		}
	}
	if err := r.End(); err != nil {
		return Line{}, err
	}
	switch decision {
	case "match":
		l.Allowed = true
	case "unauthorized", "not_executable":
	default:
		return Line{}, errNoDecision
	}
	switch {
	case cut:
		return Line{}, errCut
	case len(l.Argv) == 0:
		return Line{}, errNoDecision
	}
	return l, nil
}

func stringList(r *pyjson.Reader) (list []string) {
	for more := r.Open('['); more; more = r.More(']') {
		list = append(list, r.String())
	}
	return list
}
