//go:build !linux

package lockutils

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"time"
)

// Elsewhere than on Linux the package compiles, so that what uses it can be written there: Keys and RWLock work, and a
// Set with DisableProcessLocking. Files cannot be locked against everybody without open file description locks.

var errPlatform = fmt.Errorf("lock files on %s: %w", runtime.GOOS, errors.ErrUnsupported)

func judgeFolder(string, bool) error { return errPlatform }

func onNetwork(string) (bool, error) { return false, errPlatform }

func openBoth(string, fs.FileMode, bool, bool) (grip, error) { return nil, errPlatform }

func openFlock(string, fs.FileMode) (grip, error) { return nil, errPlatform }

func holderOf(string) *Holder { return nil }

func commandOf(int) string { return "" }

type ticket struct{}

func (s *Set) takeTicket(context.Context, string) (*ticket, error) { return nil, errPlatform }

func (t *ticket) first() (bool, error) { return true, nil }

func (t *ticket) wait() error { return errPlatform }

func (t *ticket) leave() {}

type heat struct{}

func (s *Set) letPollersIn(context.Context, *claim, bool) error { return errPlatform }

func (h *heat) granted() error { return nil }

func (h *heat) released() error { return nil }

func (h *heat) close() error { return nil }

// Remove is for Linux.
func (s *Set) Remove(context.Context, string) error { return errPlatform }

// CleanUp is for Linux.
func (s *Set) CleanUp(context.Context, time.Duration) ([]string, error) { return nil, errPlatform }
