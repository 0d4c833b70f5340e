package client

import (
	"context"
	"log/slog"

	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// log gives a record of the helper to the client's logger, with the time and the level it was made with.
func (s *session) log(m wire.Log) {
	ctx, level := context.Background(), m.Level
	if !s.logger.Enabled(ctx, level) {
		return
	}
	r := slog.NewRecord(m.Time, level, m.Message, 0)
	for _, a := range m.Attrs {
		if len(a.Path) == 0 {
			continue
		}
		at := slog.Attr{Key: a.Path[len(a.Path)-1], Value: a.Value}
		for i := len(a.Path) - 2; i >= 0; i-- {
			at = slog.Attr{Key: a.Path[i], Value: slog.GroupValue(at)}
		}
		r.AddAttrs(at)
	}
	if p := s.find(m.Call); p != nil {
		r.AddAttrs(slog.String("entrypoint", p.entrypoint))
	}
	if m.Dropped > 0 {
		r.AddAttrs(slog.Uint64("dropped_before", m.Dropped))
	}
	_ = s.logger.Handler().Handle(ctx, r)
}
