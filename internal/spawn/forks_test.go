//go:build linux

package spawn

import (
	"os"
	"testing"
)

// A child that is no known command may be that of a fork which has not returned, as long as one runs that had begun when
// it was first seen; forks that begin later keep nobody in doubt.
func TestForks(t *testing.T) {
	child := os.Getpid() // any process that exists
	f := newForks()
	if f.mayBe(child) {
		t.Error("in doubt while nothing forks")
	}
	first, second := f.begin(), f.begin()
	if !f.mayBe(child) {
		t.Error("not in doubt while two fork")
	}
	third := f.begin()
	if !f.returned(first) || !f.mayBe(child) {
		t.Error("not in doubt while the second forks")
	}
	if !f.returned(second) || f.mayBe(child) {
		t.Error("in doubt for a fork that began later")
	}
	if f.returned(third) {
		t.Error("somebody is in doubt when the last fork returns")
	}
	f.begin()
	if !f.mayBe(child) {
		t.Error("the same child, or another of its number, is not looked at anew")
	}
	if !f.mayBe(1 << 30) {
		t.Error("a child that is gone counts as an orphan")
	}
}
