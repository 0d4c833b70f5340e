package daemon

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// What waits for a client that does not read. Later records are counted and dropped: a log never holds up a call.
const (
	maxLogs     = 256
	maxLogBytes = 1 << 20 // of their texts
)

// logQueue carries records to the client on a goroutine of its own.
type logQueue struct {
	records chan wire.Log
	bytes   atomic.Int64  // of the texts in records
	dropped atomic.Uint64 // that the client has not been told of
	lost    atomic.Uint64 // in all
	done    chan struct{}
}

func newLogQueue(send func(wire.Log)) *logQueue {
	q := &logQueue{records: make(chan wire.Log, maxLogs), done: make(chan struct{})}
	go func() {
		for {
			select {
			case m := <-q.records:
				q.bytes.Add(-textBytes(m))
				m.Dropped = q.dropped.Swap(0)
				send(m)
			case <-q.done:
				return
			}
		}
	}()
	return q
}

func (q *logQueue) add(m wire.Log) {
	size := textBytes(m)
	if q.bytes.Add(size) <= maxLogBytes {
		select {
		case q.records <- m:
			return
		default:
		}
	}
	q.bytes.Add(-size)
	q.drop()
}

// room says whether size more bytes of text would be taken, so that records which come too fast cost no copies of their
// texts: those would be garbage faster than it is collected.
func (q *logQueue) room(size int) bool {
	return len(q.records) < cap(q.records) && q.bytes.Load()+int64(size) <= maxLogBytes
}

func (q *logQueue) drop() {
	q.dropped.Add(1)
	q.lost.Add(1)
}

// textBytes is what a record holds besides its parts of a fixed size.
func textBytes(m wire.Log) int64 {
	n := len(m.Message)
	for _, a := range m.Attrs {
		for _, p := range a.Path {
			n += len(p)
		}
		if a.Value.Kind() == slog.KindString {
			n += len(a.Value.String())
		}
	}
	return int64(n)
}

func (q *logQueue) close() { close(q.done) }

// Log returns the logger of a handler: its records arrive in the client's logger, with the call they belong to. Outside
// of a handler it is slog's default. It never blocks; records that the client does not read in time are counted.
func Log(ctx context.Context) *slog.Logger {
	c := callOf(ctx)
	if c == nil {
		return slog.Default()
	}
	return slog.New(&logHandler{queue: c.server.logs, call: c.id})
}

// logHandler is a slog.Handler that writes LOG messages.
type logHandler struct {
	queue *logQueue
	call  uint64
	path  []string
	attrs []wire.LogAttr
}

func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if !h.queue.room(heldText(r)) {
		h.queue.drop()
		return nil
	}
	m := wire.Log{Call: h.call, Level: r.Level, Time: r.Time, Message: clip(r.Message), Attrs: h.attrs[:len(h.attrs):len(h.attrs)]}
	r.Attrs(func(a slog.Attr) bool {
		m.Attrs = appendAttr(m.Attrs, h.path, a)
		return true
	})
	if len(m.Attrs) > maxAttrs {
		m.Attrs = m.Attrs[:maxAttrs]
	}
	h.queue.add(m)
	return nil
}

// heldText is what a record's texts will come to, as far as they are texts already.
func heldText(r slog.Record) int {
	n := min(len(r.Message), maxText)
	r.Attrs(func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindString {
			n += min(len(a.Value.String()), maxText)
		}
		return true
	})
	return n
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = h.attrs[:len(h.attrs):len(h.attrs)]
	for _, a := range attrs {
		with.attrs = appendAttr(with.attrs, h.path, a)
	}
	return &with
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.path = append(h.path[:len(h.path):len(h.path)], name)
	return &with
}

// The bounds of a record, below those of the wire.
const (
	maxAttrs = 128
	maxDepth = 8
	maxText  = 32 << 10
)

// clip also makes a copy: a word of the arguments would keep all of them in memory for as long as its record waits.
func clip(s string) string {
	if len(s) > maxText {
		return s[:maxText] + "…"
	}
	return strings.Clone(s)
}

// appendAttr adds an attribute with the path of its groups. Groups within groups become longer paths.
func appendAttr(to []wire.LogAttr, path []string, a slog.Attr) []wire.LogAttr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" && len(path) < maxDepth {
			path = append(path[:len(path):len(path)], clip(a.Key))
		}
		for _, inner := range v.Group() {
			to = appendAttr(to, path, inner)
		}
		return to
	}
	switch v.Kind() {
	case slog.KindInt64, slog.KindUint64, slog.KindBool, slog.KindDuration:
	default:
		v = slog.StringValue(clip(v.String()))
	}
	return append(to, wire.LogAttr{Path: append(path[:len(path):len(path)], clip(a.Key)), Value: v})
}
