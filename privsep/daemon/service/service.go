//go:build linux

// Package service serves many clients on a Unix socket, each with a root helper of its own: where sudo cannot work, as in
// units with NoNewPrivileges, a service dials the socket (client.Dial). It runs as root.
//
//	service.Main(service.Options{
//		Listen: "/run/netservice/helper.sock",
//		Load:   func() (service.Setup, error) { return service.Setup{Clients: service.Clients{UIDs: []uint32{998}}}, nil },
//		Worker: func(*os.File) (*daemon.Daemon, error) { return newDaemon(), nil },
//	})
//
// The master accepts connections, asks the kernel who is there, and hands each to a worker: a process of this program that
// has read its policy and confined itself ahead of need, serves one connection, and ends. The master reads no byte of any
// client. A client that breaks its worker has broken its own.
package service

import (
	"os"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
)

// Options say what is served. Load and Worker are required.
type Options struct {
	// Listen is the absolute path of the socket. Its folder and every one above it must be root's alone (or of the user
	// that the service runs as). "": the socket is handed in by systemd (LISTEN_FDS).
	Listen string
	// Load reads the configuration, in the master: at the start, and for each reload (SIGHUP). With an error the start
	// fails; a reload that fails changes nothing.
	Load func() (Setup, error)
	// Worker makes the helper of one connection, in a worker. snapshot is Setup.Snapshot, nil where there is none; it need not be
	// closed.
	Worker func(snapshot *os.File) (*daemon.Daemon, error)
}

// Setup is what holds until the next reload. The zero value serves root.
type Setup struct {
	Clients Clients
	Limits  Limits
	// Ready is how many confined workers wait for a client. 0: 4.
	Ready int
	// Drain is how long calls may go on when the service is stopped. 0: 10 s.
	Drain time.Duration
	// Snapshot is what a worker gets to read instead of files, such as the text of a policy, so that all workers judge by
	// the same. Nil: nothing.
	Snapshot []byte
	// Bounding is the bounding set that workers are started with: the most that a command of theirs gets, or where they have
	// none what they keep. It saves half of their start. Nil: the service's own, which each worker lowers for itself.
	Bounding *privsep.Capabilities
	// Name says which configuration this is, in messages to clients: "/etc/privhelper/net.conf".
	Name string
}

// Clients say who may connect, by numbers. Root always may.
type Clients struct {
	UIDs []uint32
	GIDs []uint32 // a client that is in one of these groups; its own and its supplementary ones count
	// AnyNamespace lets processes of other user and pid namespaces in: a container's root is some uid here, and so may be
	// a client without being the user whom the administrator meant.
	AnyNamespace bool
}

// Limits bound what clients can make of the service. The zero value has the defaults.
type Limits struct {
	Connections int // at one time. 0: 256
	PerUser     int // of one uid at one time. 0: 64
	Calls       int // of one uid, in a second, by all its connections. 0: 2000; negative: no limit
}

func (s *Setup) defaults() {
	set := func(n *int, value int) {
		if *n == 0 {
			*n = value
		}
	}
	set(&s.Ready, 4)
	set(&s.Limits.Connections, 256)
	set(&s.Limits.PerUser, 64)
	set(&s.Limits.Calls, 2000)
	if s.Drain == 0 {
		s.Drain = 10 * time.Second
	}
}
