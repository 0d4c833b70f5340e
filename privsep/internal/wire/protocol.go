package wire

import "fmt"

// A ProtocolError says that the other side sent what it may not. The connection is at its end.
type ProtocolError struct {
	From  Side
	Cause string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("protocol error of %s: %s", e.From, e.Cause)
}

func protocolError(from Side, format string, args ...any) error {
	return &ProtocolError{From: from, Cause: fmt.Sprintf(format, args...)}
}

func tooMany(n, max int) error { return fmt.Errorf("an array of %d, at most %d belong here", n, max) }
