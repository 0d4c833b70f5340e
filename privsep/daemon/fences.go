package daemon

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/privhelper/privhelper/internal/trust"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
	"github.com/privhelper/privhelper/privsep/daemon/fence"
)

// Token returns the fencing token of a call, 0 for none. Of an entrypoint with a fence it has been held against that.
func Token(ctx context.Context) int64 {
	if c := callOf(ctx); c != nil {
		return c.token
	}
	return 0
}

// fenced makes a handler that holds a call's token against the fence of its entrypoint first, and keeps the fence until it
// has returned.
func (d *Daemon) fenced(h privsep.Handler) privsep.Handler {
	run := h.Run
	h.Run = func(ctx context.Context, args []byte, files []*os.File) ([]byte, []*os.File, error) {
		pass, err := d.fences.Enter(ctx, h.Fence, Token(ctx))
		if err != nil {
			Log(ctx).Warn("refused by its fence", "entrypoint", h.Name, "error", err)
			var refused *fence.Error
			if errors.As(err, &refused) {
				err = refused.Refusal("")
			}
			return nil, nil, err
		}
		defer func() {
			if err := pass.Leave(); err != nil {
				Log(ctx).Error("leaving a fence", "entrypoint", h.Name, "error", err)
			}
		}()
		return run(ctx, args, files)
	}
	return h
}

// openFences opens the fences of entrypoints, as long as this process may. become is who it will be, nil: it stays.
func (d *Daemon) openFences(become *confine.User, rules trust.Rules) error {
	opt := fence.Options{Path: d.opt.FencePath, Rules: rules}
	for _, h := range d.handlers {
		if h.Fence != "" && !slices.Contains(opt.Names, h.Fence) {
			opt.Names = append(opt.Names, h.Fence)
		}
	}
	switch {
	case len(opt.Names) == 0:
		return nil
	case opt.Path == "":
		return errors.New("entrypoints have fences: daemon.Options.FencePath must say where these are remembered")
	}
	if become != nil {
		opt.Owner = &fence.Owner{UID: become.UID, GID: become.GID}
	}
	var err error
	d.fences, err = fence.Open(opt)
	return err
}
