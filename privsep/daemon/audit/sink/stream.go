package sink

import "io"

// A stream is an open file that lines are appended to, one write each, so that helpers which share it do not mix them.
type stream struct {
	out  io.Writer
	torn bool // the last line went out in part
}

func (s *stream) put(line []byte, _ Severity) error {
	whole := make([]byte, 0, len(line)+2)
	if s.torn { // so that the rest of a torn line takes no whole one with it
		whole = append(whole, '\n')
	}
	n, err := s.out.Write(append(append(whole, line...), '\n'))
	if n > 0 {
		s.torn = err != nil
	}
	return err
}

// Close leaves the writer to its owner.
func (s *stream) Close() error { return nil }
