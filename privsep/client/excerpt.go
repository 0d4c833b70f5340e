package client

import (
	"bytes"
	"fmt"
)

// An excerpt keeps the begin and the end of what is written to it, each of so many bytes as os/exec keeps for the Stderr
// of an ExitError, and counts the rest.
type excerpt struct {
	head, tail []byte
	omitted    int64
}

const maxExcerpt = 32 << 10

func (e *excerpt) Write(p []byte) (int, error) {
	n := len(p)
	fits := min(n, maxExcerpt-len(e.head))
	e.head, p = append(e.head, p[:fits]...), p[fits:]
	if over := len(e.tail) + len(p) - maxExcerpt; over > 0 {
		e.omitted += int64(over)
		old := min(over, len(e.tail))
		e.tail, p = append(e.tail[:0], e.tail[old:]...), p[over-old:]
	}
	e.tail = append(e.tail, p...)
	return n, nil
}

// Bytes returns what was kept, in os/exec's words.
func (e *excerpt) Bytes() []byte {
	if e.omitted == 0 {
		return bytes.Join([][]byte{e.head, e.tail}, nil)
	}
	return fmt.Appendf(nil, "%s\n... omitting %d bytes ...\n%s", e.head, e.omitted, e.tail)
}
