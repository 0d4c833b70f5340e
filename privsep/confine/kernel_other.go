//go:build !linux

package confine

import (
	"errors"
	"fmt"
	"os"
)

// Capabilities, securebits and no_new_privs are Linux's: elsewhere nothing is given up, and so nothing may go on.
var errLinux = fmt.Errorf("confine: needs Linux: %w", errors.ErrUnsupported)

func apply(Spec) error               { return errLinux }
func giveUp(Spec) error              { return errLinux }
func verify(Spec) error              { return errLinux }
func verifyCredentials(Spec) error   { return errLinux }
func confineThread(ThreadSpec) error { return errLinux }
func sandboxSupport() error          { return errLinux }

func readProc(path string) ([]byte, error) { return os.ReadFile(path) }

func newSandbox([]*os.File, []*os.File) (*Sandbox, error) { return nil, errLinux }
