package rootwrap

import (
	"sync"

	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep/confine"
)

// kinds are the threads from which commands are forked, one kind of them for all rules that want the same of a thread. What
// a thread was confined to its children inherit, so that a rule's section costs a command nothing.
type kinds struct {
	mu  sync.Mutex
	all map[thread]*forks
}

type forks struct {
	forker   *spawn.Forker
	sandbox  *confine.Sandbox
	identity string // of the places that the sandbox was made of
}

// forker returns the threads for p, confined the first time. Where a place of its sandbox has become another file, it
// makes new ones, and the old end with the last command that was started from them.
func (k *kinds) forker(p *Prepared) (*spawn.Forker, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.all[p.thread]
	if f != nil && f.identity == p.places.identity {
		return f.forker, nil
	}
	made, err := newForks(p)
	if err != nil {
		return nil, err
	}
	if f != nil {
		f.retire()
	}
	if k.all == nil {
		k.all = map[thread]*forks{}
	}
	k.all[p.thread] = made
	return made.forker, nil
}

func newForks(p *Prepared) (f *forks, err error) {
	f = &forks{identity: p.places.identity}
	spec := p.thread.spec()
	if p.thread.sandbox != "" {
		if f.sandbox, err = p.places.sandbox(); err != nil {
			return nil, err
		}
		spec.Sandbox = f.sandbox
	}
	if f.forker, err = spawn.NewForker(func() error { return confine.ConfineThread(spec) }); err != nil && f.sandbox != nil {
		f.sandbox.Close()
	}
	return f, err
}

func (f *forks) retire() {
	f.forker.Retire()
	if f.sandbox != nil {
		f.sandbox.Close() // a thread that is not made by now never will be
	}
}
