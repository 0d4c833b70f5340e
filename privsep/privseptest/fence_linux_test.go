package privseptest_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/privseptest"
)

var (
	volumes = privsep.NewContext("volumes")
	attach  = privsep.NewFencedEntrypoint[privsep.Void, int64](volumes, "attach", "volume")
	look    = privsep.NewEntrypoint[privsep.Void, int64](volumes, "look")
	within  = privsep.NewFencedEntrypoint[privsep.Void, int64](volumes, "within", "volume")
)

// An entrypoint with a fence runs for rising tokens alone, and tells its handler which; one without refuses every token. A
// handler calls another under the same fence, with the token that it got.
func TestFence(t *testing.T) {
	d := daemon.New(daemon.Options{Context: volumes, FencePath: filepath.Join(t.TempDir(), "fences")})
	var ran atomic.Int32
	token := func(ctx context.Context, _ privsep.Void) (int64, error) { ran.Add(1); return daemon.Token(ctx), nil }
	daemon.Handle(d, attach, token)
	daemon.Handle(d, look, token)
	daemon.Handle(d, within, func(ctx context.Context, v privsep.Void) (int64, error) {
		return attach.Call(ctx, privsep.WithToken(daemon.Caller(ctx), daemon.Token(ctx)), v)
	})
	c := privseptest.Join(t, d, volumes)
	for i, step := range []struct {
		call  privsep.Entrypoint[privsep.Void, int64]
		token int64
		want  string
	}{
		{attach, 0, "volumes.attach: fence volume: a fencing token is needed"},
		{look, 0, ""},
		{look, 3, "volumes.look: a fencing token came with what has no fence"},
		{attach, 7, ""},
		{attach, 6, "volumes.attach: fence volume: the fencing token 6 is older than 7"},
		{within, 6, "volumes.within: fence volume: the fencing token 6 is older than 7"},
		{within, 8, ""},
		{attach, 7, "older than 8"},
	} {
		ran.Store(0)
		got, err := step.call.Call(t.Context(), privsep.WithToken(c, step.token), privsep.Void{})
		if step.want == "" && (err != nil || got != step.token || ran.Load() != 1) {
			t.Errorf("step %d: %d, %v, ran %d times", i, got, err, ran.Load())
		}
		if step.want != "" && (!errors.Is(err, privsep.CodeFenced) || !strings.Contains(err.Error(), step.want) || ran.Load() != 0) {
			t.Errorf("step %d: %v, ran %d times", i, err, ran.Load())
		}
	}
	if d := attach.Context().Declarations()[0]; d.Fingerprint != "{} -> i64 fence volume" {
		t.Errorf("%+v: the two sides could differ", d)
	}
}
