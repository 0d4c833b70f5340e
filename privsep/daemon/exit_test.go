package daemon

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/privhelper/privhelper/privsep/internal/wire"
)

func TestExitCode(t *testing.T) {
	broken := &wire.ProtocolError{From: wire.FromClient, Cause: "nonsense"}
	for _, c := range []struct {
		served bool
		err    error
		want   int
	}{
		{true, nil, 0}, {false, nil, 0}, {false, errors.New("net.filters:3: no such class"), 97}, {false, broken, 97},
		{true, broken, 76}, {true, fmt.Errorf("receive: %w", broken), 76}, {true, io.ErrUnexpectedEOF, 76}, {true, errStuck, 70},
	} {
		if got := exitCode(c.served, c.err); got != c.want {
			t.Errorf("%v, %v: %d, want %d", c.served, c.err, got, c.want)
		}
	}
}
