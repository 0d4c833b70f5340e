package daemon

import (
	"errors"
	"io"

	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// The exit codes of Main; 0 where the client went. What they mean to who started the helper: mend the configuration, mend
// the client, look at the handlers.
const (
	exitConfig   = 97 // it did not come to serve: rootwrap's code for a bad configuration
	exitProtocol = 76 // the client sent what it may not, or half a message: EX_PROTOCOL of sysexits(3)
	exitSoftware = 70 // it ended itself: no slot was left that could ever be free again. EX_SOFTWARE
)

// exitCode is the one for an error of run; served says whether the helper had begun to serve.
func exitCode(served bool, err error) int {
	var broken *wire.ProtocolError
	switch {
	case err == nil:
		return 0
	case !served:
		return exitConfig
	case errors.As(err, &broken) || errors.Is(err, io.ErrUnexpectedEOF):
		return exitProtocol
	}
	return exitSoftware
}
