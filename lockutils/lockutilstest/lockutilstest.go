// Package lockutilstest gives tests locks of their own, as oslo.concurrency's fixtures do. It is for tests alone.
//
//	set := lockutilstest.New(t)
//	svc := NewService(set)
package lockutilstest

import (
	"testing"

	"github.com/privhelper/privhelper/lockutils"
)

// New returns a Set whose folder is removed when the test ends, and which nobody else uses. The test fails if a lock is
// held or waited for by then. Options are set on the Set before it is used.
//
// Python children find the folder by its path: pass OSLO_LOCK_PATH=set.Folder to them.
func New(t testing.TB) *lockutils.Set {
	t.Helper()
	s := &lockutils.Set{Folder: t.TempDir()}
	t.Cleanup(func() {
		for _, use := range s.Snapshot() {
			what := "held"
			if !use.Held {
				what = "waited for"
			}
			t.Errorf("lock %q is still %s", use.Name, what)
		}
	})
	return s
}
