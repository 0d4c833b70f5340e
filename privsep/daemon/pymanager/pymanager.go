// Package pymanager serves filtered commands to the unmodified Python client, oslo_rootwrap.client.Client, in the place of
// oslo-rootwrap-daemon. It runs as root.
//
//	err := pymanager.Serve(pymanager.Options{Load: func() (*host.Loaded, error) {
//		return host.Load("/etc/neutron/rootwrap.conf", host.Options{Detached: true})
//	}})
//
// What a command line may be and what runs is decided by package rootwrap, as for every other client. This package speaks
// what multiprocessing.managers speaks, with JSON as oslo_rootwrap.jsonrpc has it, and is on its guard: whoever connects
// is the user that started the daemon, by the kernel's word, and knows the key; what has not proved that holds a few
// KiB and goes when others come; and all that the client sends and its commands write is bounded (filters.DaemonMax).
//
// The way of a request: serve accepts, authenticate (auth.go) lets in, readFrame (frame.go) and parseRequest (request.go)
// read, execute runs, writeResult (reply.go) answers.
package pymanager

import (
	"time"

	"github.com/privhelper/privhelper/filters"
)

// orDefaults fills in what is 0. files is how many open files the daemon may have.
func orDefaults(l filters.DaemonMax, files uint64) filters.DaemonMax {
	open := int64(min(files, 1<<20))
	set := func(v *int64, value int64) {
		if *v == 0 {
			*v = value
		}
	}
	set(&l.Request, 64<<20)
	set(&l.Output, 256<<20)
	set(&l.Memory, 512<<20)
	set(&l.HalfOpen, min(128, max(8, open/8)))
	set(&l.Connections, min(1024, max(8, open/4)))
	set(&l.Commands, min(64, max(2, open/16))) // each has up to six
	return l
}

// The times, none of which a client's own patience is measured by.
const (
	// authTime is how long a connection may take to prove that it knows the key and to send its first request.
	authTime = 20 * time.Second
	// heldTime is how long the output of what a command left behind is waited for once the command itself has ended. The
	// Python daemon waits until the last process closes the streams, and so for ever for a daemon that never does.
	heldTime = 5 * time.Second
	// lastWords is how long an answer may take to be taken once the daemon ends.
	lastWords = 5 * time.Second
)
