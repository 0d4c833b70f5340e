//go:build !linux

package processutils

import (
	"errors"
	"fmt"
)

func runLocal(a *Attempt) (Result, error) {
	return a.End(Status{Code: -1}, StageStart, fmt.Errorf("processutils.Local runs commands on Linux alone: %w", errors.ErrUnsupported))
}
