package pymanager

import (
	"bufio"
	"errors"
	"fmt"
	"os"
)

// A conn is one connection: of a client's thread, or for one request. Python's manager knows both, and tells them apart by
// the first request.
type conn struct {
	server *server
	file   *os.File
	reader *bufio.Reader
	known  bool // it has proved that it knows the key; the server's, under its lock
}

// serve is the life of a connection.
func (c *conn) serve() {
	s := c.server
	defer s.leave(c)
	random, err := randomBytes(randomSize)
	if err != nil {
		return
	}
	if authenticate(c.file, s.key, random) != nil || !s.enter(c) {
		return
	}
	c.reader = bufio.NewReader(c.file)
	thread := false
	for {
		if err := c.serveOne(&thread); err != nil || !thread {
			return
		}
	}
}

// serveOne reads one request and answers it. thread says whether the connection is a client thread's.
func (c *conn) serveOne(thread *bool) error {
	s := c.server
	held := int64(0)
	defer func() { s.memory.give(held) }()
	frame, err := readFrame(c.reader, uint64(s.limits.Request), func(n int) error {
		n64 := 2 * int64(n) // the text and what it says
		if err := s.memory.take(n64); err != nil {
			return err
		}
		held += n64
		return nil
	})
	refused := err
	if err != nil && !errors.As(err, new(tooLargeError)) && err != errMemory {
		return err
	}
	if !s.begin(c) {
		return errStopped
	}
	defer s.ended()
	if refused != nil { // where the next request begins nobody knows
		return errors.Join(refused, c.answer(failed(refused.Error())))
	}
	q, err := parseRequest(frame)
	switch {
	case err != nil:
		return c.answer(failed("not a request of rootwrap's client: " + err.Error()))
	case !*thread && q.ident == "":
		return c.manage(q, thread)
	case *thread && q.ident == objectID && q.method == methodRun:
		return c.execute(q)
	case *thread && q.ident == objectID && q.method == methodShutdown:
		defer s.stop()
		return c.answer(returned("null"))
	}
	return c.answer(failed(fmt.Sprintf("%s is no method of object %.64q here", q.method, q.ident)))
}

// errStopped is a request that came after the daemon had begun to end.
var errStopped = errors.New("the daemon is ending")

// manage answers what is asked of the manager itself.
func (c *conn) manage(q request, thread *bool) error {
	value := "null"
	switch {
	case q.method == methodDummy:
	case q.method == methodAccept:
		*thread = true
	case q.method == methodCreate && q.text == typeID:
		value = created
	case q.method == methodIncref && q.text == objectID, q.method == methodDecref && q.text == objectID:
	default:
		return c.answer(failed(fmt.Sprintf("the manager has no %s of %.64q", q.method, q.text)))
	}
	return c.answer(returned(value))
}

func (c *conn) answer(frame []byte) error {
	c.server.answering(c)
	return writeFrame(c.file, frame)
}
