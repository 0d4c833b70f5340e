package client

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// maxRecords is how many records wait for a logger that is slower than they come. Later ones are dropped and counted.
const maxRecords = 256

// A logQueue gives the helper's records to the program's slog.Handler, on a goroutine of its own. Handle may so be slow,
// and may call the very client whose record it gets: those who read the helper's messages and its standard error never
// wait for it.
type logQueue struct {
	to      slog.Handler
	records chan slog.Record
	dropped atomic.Uint64
	end     chan struct{} // closed: deliver what waits, and no more
	done    chan struct{} // closed: it is delivered
}

func newLogQueue(to slog.Handler) *logQueue {
	q := &logQueue{to: to, records: make(chan slog.Record, maxRecords), end: make(chan struct{}), done: make(chan struct{})}
	go q.run()
	return q
}

func (q *logQueue) add(r slog.Record) { q.addAfter(0, r) }

// addAfter is add for a record that says how many were lost before it: they are counted also where it is dropped itself.
func (q *logQueue) addAfter(lost uint64, r slog.Record) {
	select {
	case q.records <- r:
	default:
		q.dropped.Add(lost + 1)
	}
}

func (q *logQueue) run() {
	defer close(q.done)
	for {
		select {
		case r := <-q.records:
			q.deliver(r)
		case <-q.end:
			for {
				select {
				case r := <-q.records:
					q.deliver(r)
				default:
					return
				}
			}
		}
	}
}

// deliver also says how many records were lost while the logger was busy with this one.
func (q *logQueue) deliver(r slog.Record) {
	q.give(r)
	if n := q.dropped.Swap(0); n > 0 {
		lost := slog.NewRecord(time.Now(), slog.LevelWarn, "records of the root helper were dropped: the logger is slower than they come", 0)
		lost.AddAttrs(slog.Uint64("dropped", n))
		q.give(lost)
	}
}

func (q *logQueue) give(r slog.Record) {
	ctx := context.Background()
	if q.to.Enabled(ctx, r.Level) {
		_ = q.to.Handle(ctx, r)
	}
}

// close delivers what waits and returns when that is done, or after limit: it may be Handle that closes the client.
func (q *logQueue) close(limit time.Duration) {
	close(q.end)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-q.done:
	case <-timer.C:
	}
}
