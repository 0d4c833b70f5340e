package rootwrap

import (
	"context"
	"testing"

	"github.com/privhelper/privhelper/internal/spawn"
)

// A service may go at the moment at which its command has ended: what the command left behind must not be ended for it.
func TestAttendPrefersTheEnd(t *testing.T) {
	group, err := spawn.NewGroup(spawn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	forker, err := spawn.NewForker(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := group.Start(t.Context(), forker, spawn.Command{Path: "/bin/true", Argv: []string{"true"}, Setsid: true})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for range 100 { // select takes either
		if (&Commands{}).attend(gone, p) {
			t.Fatal("an ended command was killed")
		}
	}
}
