package service

import (
	"fmt"
	"math"
	"os"
	"time"

	"github.com/privhelper/privhelper/privsep/daemon"
)

// unlimited is a grant for all calls to come.
const unlimited = math.MaxUint32

// An allowance is how many calls a worker's client may make before the master is asked again. The master counts, because
// one user's connections have one limit together.
type allowance struct {
	control *control
	helper  *daemon.Ready
	left    uint32 // the gate's alone
	uid     uint32
	granted chan uint32
	drain   chan struct{}
	end     chan struct{} // closed when the master is gone
}

// gate is asked before each call.
func (a *allowance) gate() error {
	if a.left == unlimited {
		return nil
	}
	if a.left == 0 {
		if err := a.control.send(message{kind: wantCalls}); err != nil {
			return err
		}
		select {
		case a.left = <-a.granted:
		case <-a.end:
		}
	}
	if a.left == 0 {
		return fmt.Errorf("uid %d makes more calls a second than the service allows it: wait a moment, or ask root for a larger service_max_calls", a.uid)
	}
	a.left--
	return nil
}

// listen hears the master until it is gone, and the connection with it: without a master nobody counts.
func (a *allowance) listen() {
	defer close(a.end)
	for draining := false; ; {
		m, err := a.control.receive(true)
		switch {
		case err != nil:
			return
		case m.kind == grant:
			a.granted <- m.n // the gate waits for it: nothing is granted that was not asked for
		case m.kind == drain && !draining:
			draining = true
			close(a.drain)
		case m.kind == reopen:
			a.helper.Reopen()
		case m.kind == tell && m.file != nil:
			go a.tell(m.file)
		}
	}
}

// tell writes what the helper has done. The master reads it at once, or gave up.
func (a *allowance) tell(to *os.File) {
	defer to.Close()
	if s, serves := a.helper.Stats(); serves {
		text, _, err := statsPlan().Append(nil, s, nil)
		if err == nil {
			_ = to.SetWriteDeadline(time.Now().Add(tellTime))
			_, _ = to.Write(text)
		}
	}
}
