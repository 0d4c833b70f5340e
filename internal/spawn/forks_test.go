//go:build linux

package spawn

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
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

// Commands, orphans and failed forks end while others are being forked: every status reaches whose it is, and none of the
// orphans stays a zombie.
func TestReaperTellsApart(t *testing.T) {
	eachMethod(t, func(t *testing.T, g *Group, f *Forker) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for n := range 20 {
					code := (i*20 + n) % 256
					p, err := g.Start(context.Background(), f, shell(`(setsid true &); (true &); exit `+itoa(code), nil))
					if err != nil {
						t.Error(err)
						return
					}
					if p, err := g.Start(context.Background(), f, Command{Path: "/no/such/program", Argv: []string{"x"}}); !errors.Is(err, fs.ErrNotExist) {
						t.Error(p, err)
					}
					if st, err := p.Wait(); err != nil || st.Code != code {
						t.Errorf("%v, %v, it was exit %d", st, err, code)
					}
				}
			})
		}
		wg.Wait()
		eventually(t, "orphans stay zombies", func() bool { return len(childrenByScan()(os.Getpid(), 0)) == 0 })
	})
}
