package client

import (
	"log/slog"
	"time"

	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// record makes of the helper's LOG message the record that its handler made, with its time and level.
func (s *session) record(m wire.Log) slog.Record {
	r := slog.NewRecord(m.Time, m.Level, m.Message, 0)
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
	if name := s.underWay(m.Call); name != "" {
		r.AddAttrs(slog.String("entrypoint", name))
	}
	if m.Dropped > 0 {
		r.AddAttrs(slog.Uint64("dropped_before", m.Dropped))
	}
	return r
}

// stderrRecord is the record of a line that the helper wrote to its standard error.
func stderrRecord(line string) slog.Record {
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "root helper", 0)
	r.AddAttrs(slog.String("stderr", line))
	return r
}
