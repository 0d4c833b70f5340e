package pymanager

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/privhelper/privhelper/internal/pyjson"
)

// The methods of multiprocessing.managers.Server and of oslo_rootwrap's RootwrapClass that its client calls. No other is
// served: a manager's debug_info or number_of_objects tell nothing that a client needs.
const (
	methodDummy    = "dummy"             // is somebody there
	methodCreate   = "create"            // ["rootwrap"], answered by an id and the names of what it can do
	methodIncref   = "incref"            // [id]: nothing is counted here, since the one object lives as long as we
	methodDecref   = "decref"            // [id]
	methodAccept   = "accept_connection" // [the client thread's name]: from here on the connection is that thread's
	methodRun      = "run_one_command"   // [argv, stdin]
	methodShutdown = "shutdown"
)

// objectID is the one object that there is; Python's would be an address in hexadecimal digits.
const objectID = "1"

// typeID is what create takes.
const typeID = "rootwrap"

// maxArgs is how many arguments are read. execve(2) takes 6 MiB of arguments and pointers at the very most, and usually 2.
const maxArgs = 1 << 18

// A request is one call, [ident, method, args, kwargs].
type request struct {
	ident  string // "" for null, which is the manager itself
	method string
	text   string   // the one argument of create, incref, decref and accept_connection
	argv   []string // of run_one_command
	stdin  string   // of run_one_command
	input  bool     // stdin is not null
}

// parseRequest reads a frame. An error says what is wrong with it, for the client's eyes.
func parseRequest(frame []byte) (q request, err error) {
	r := pyjson.NewReader(frame)
	if !r.Open('[') {
		r.Fail(errors.New("a request is a list of four"))
	}
	if !r.Null() {
		if q.ident = r.String(); q.ident == "" {
			r.Fail(errors.New("the empty id names no object"))
		}
	}
	r.Comma()
	q.method = r.String()
	r.Comma()
	q.arguments(r)
	r.Comma()
	if r.Open('{') {
		r.Fail(errors.New("arguments by name are not served"))
	}
	r.Close(']')
	if err := r.End(); err != nil {
		return request{}, err
	}
	return q, nil
}

func (q *request) arguments(r *pyjson.Reader) {
	if r.Err() != nil {
		return
	}
	any := r.Open('[')
	switch q.method {
	case methodDummy, methodShutdown:
		if any {
			r.Fail(fmt.Errorf("%s takes no arguments", q.method))
		}
		return
	case methodCreate, methodIncref, methodDecref, methodAccept:
		if q.text = r.String(); r.More(']') {
			r.Fail(fmt.Errorf("%s takes one argument", q.method))
		}
		return
	case methodRun:
	default:
		r.Fail(fmt.Errorf("no method %.64q", q.method))
		return
	}
	if !any {
		r.Fail(errors.New("run_one_command takes a command line and its standard input"))
	}
	for more := r.Open('['); more; more = r.More(']') {
		q.argv = append(q.argv, bytesOf(r))
		if len(q.argv) > maxArgs {
			r.Fail(fmt.Errorf("a command line of more than %d arguments", maxArgs))
		}
	}
	if !r.More(']') {
		return
	}
	if !r.Null() {
		q.stdin, q.input = bytesOf(r), true
	}
	r.Close(']')
}

// bytesOf reads a string, or the bytes that oslo_rootwrap.jsonrpc wraps: {"__bytes__": base64}.
func bytesOf(r *pyjson.Reader) string {
	if r.Next() != '{' {
		return r.String()
	}
	if !r.Open('{') || r.Key() != "__bytes__" {
		r.Fail(errors.New("an object is no string"))
		return ""
	}
	raw, err := base64.StdEncoding.DecodeString(r.String())
	if err != nil {
		r.Fail(err)
	}
	r.Close('}')
	return string(raw)
}
