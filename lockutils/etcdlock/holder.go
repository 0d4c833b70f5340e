package etcdlock

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/privhelper/privhelper/lockutils"
)

// card is what a key says of whoever put it there, for people: nothing depends on it. `etcdctl lock` leaves it empty.
type card struct {
	Host    string    `json:"host"`
	Pid     int       `json:"pid"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"` // when the place was taken: a place in line before it was the holder's
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "(unnamed)"
	}
	return name
}

// card writes this process's. Arguments may be secrets, and whoever reads the keys would read them.
func (l *Locker) card() string {
	text, err := json.Marshal(card{Host: l.host, Pid: os.Getpid(), Command: filepath.Base(os.Args[0]), Since: time.Now().Truncate(time.Second)})
	if err != nil {
		panic(err) // strings, a number and a time of this century can always be written
	}
	return string(text)
}

// holderWithin is how long an error waits for who holds the lock.
const holderWithin = 500 * time.Millisecond

// holder asks who is first in line; the one known before where the cluster does not answer in time.
func (l *Locker) holder(folder string, known *mvccpb.KeyValue) *lockutils.Holder {
	ctx, cancel := context.WithTimeout(l.ctx, holderWithin)
	defer cancel()
	answer, err := l.client.Get(ctx, folder, clientv3.WithFirstCreate()...)
	switch {
	case err == nil && len(answer.Kvs) == 0:
		return nil // it has become free
	case err == nil:
		known = answer.Kvs[0]
	case known == nil:
		return nil
	}
	return l.read(known)
}

func (l *Locker) read(kv *mvccpb.KeyValue) *lockutils.Holder {
	l.mu.Lock()
	here := l.current != nil && kv.Lease == int64(l.current.id)
	l.mu.Unlock()
	var c card
	if json.Unmarshal(kv.Value, &c) != nil || c.Pid <= 0 {
		return &lockutils.Holder{Command: fmt.Sprintf("a client of lease %x, which leaves no name", kv.Lease), Here: here}
	}
	h := &lockutils.Holder{Host: printable(c.Host), Pid: c.Pid, Command: printable(c.Command), Since: c.Since.Local(), Here: here}
	if here {
		h.Host = ""
	}
	return h
}

// printable bounds what another wrote: it goes into errors and logs.
func printable(s string) string {
	s = s[:min(len(s), 120)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, s)
}
