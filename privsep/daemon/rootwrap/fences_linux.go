package rootwrap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/trust"
	"github.com/privhelper/privhelper/privsep/confine"
	"github.com/privhelper/privhelper/privsep/daemon/fence"
)

// OpenFences opens the fences that rules name, as long as this process may; become and only are as for OpenLocks. Without
// a rule that names one it returns nil.
func OpenFences(loaded *host.Loaded, only *filters.Rule, become *confine.User) (*fence.Fences, error) {
	// The folders above it were judged when the configuration was loaded: whoever could have changed them since is root.
	opt := fence.Options{Path: loaded.Config.FencePath, Rules: trust.Rules{Untrusted: true}}
	for _, r := range loaded.Policy.Rules() {
		if name := r.Section.Fence; name != "" && (only == nil || only == r) && !slices.Contains(opt.Names, name) {
			opt.Names = append(opt.Names, name)
		}
	}
	if become != nil {
		opt.Owner = &fence.Owner{UID: become.UID, GID: become.GID}
	}
	fences, err := fence.Open(opt)
	if err != nil {
		return nil, fmt.Errorf("%s: fence_path: %w", loaded.Config.File, err)
	}
	return fences, nil
}

// Enter holds a token against the fence of a rule, and keeps the fence as long as the locks. It is the last question: when
// it is answered the token is written down, and no older one may act any more. After an error nothing is held.
func (h *Held) Enter(ctx context.Context, fences *fence.Fences, rule *filters.Rule, token int64) (err error) {
	if h.pass, err = fences.Enter(ctx, rule.Section.Fence, token); err != nil {
		return errors.Join(err, h.Release())
	}
	return nil
}

// fenceRefusal is what the client is told of an error of Enter.
func fenceRefusal(rule string, err error) error {
	var e *fence.Error
	if !errors.As(err, &e) {
		return err
	}
	return e.Refusal("rule " + rule)
}
