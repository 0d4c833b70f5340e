package daemon

import (
	"context"
	"os"
	"sync"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/internal/wire"
	"github.com/privhelper/privhelper/privsep/stats"
)

// A Ready is a helper that has read its policy, given its privileges up and verified that, before there is a client: a
// worker of a service (package service). It serves one client and is then at its end.
type Ready struct {
	daemon *Daemon
	hello  wire.Hello

	mu     sync.Mutex
	server *server // nil: there is no client yet
}

// Ready does all of Main's start that needs no client. Its errors are Main's. The process is confined when it returns, and
// must end after an error: it may be half so. Standard input and descriptors from 3 up are the caller's matter.
//
// proven is what Proven gave in another process of this program, that was started by the same one and in the same way; ""
// where there was none.
func (d *Daemon) Ready(proven string) (*Ready, error) {
	spec, err := d.load()
	if err != nil {
		return nil, err
	}
	hello, err := d.confine(spec, Peer{}, proven)
	if err != nil {
		return nil, err
	}
	tidyStart()
	r := &Ready{daemon: d, hello: hello}
	heedSignals(r.end, d.audit.Reopen) // now, and not when the client waits for it
	return r, nil
}

// Proven is the hash of the policy of which this helper has seen, or was told by its parent, that commands get what it
// promises; "" without commands.
func (r *Ready) Proven() string { return r.hello.Policy }

// end is what SIGTERM asks for: the connection ends, or the process where there is none.
func (r *Ready) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server != nil {
		r.server.conn.Shutdown()
		return
	}
	r.Close()
	os.Exit(0)
}

// Reopen opens the audit log anew by its name, as SIGHUP does.
func (r *Ready) Reopen() { r.daemon.audit.Reopen() }

// Stats are of the connection that Serve serves; false: there is none yet.
func (r *Ready) Stats() (stats.Stats, bool) {
	r.mu.Lock()
	s := r.server
	r.mu.Unlock()
	if s == nil {
		return stats.Stats{}, false
	}
	return s.stats(), true
}

// Close is for a helper to which no client comes: it gives back what Ready has taken.
func (r *Ready) Close() { r.daemon.close() }

// Service is what a worker is told by the service that it belongs to. The zero value lets the client call as it likes.
type Service struct {
	// Groups are the client's when it connected (SO_PEERGROUPS).
	Groups []uint32
	// CommandLine is the client's, for the audit log: what the function of that name gives to the service's master, which may
	// look where a confined worker may not.
	CommandLine []byte
	// Gate says whether the client may make one more call now: nil, or an error whose text the client gets with CodeBusy. It is
	// called before each call, by one goroutine.
	Gate func() error
	// Drain, when closed, lets calls that were taken be answered and no other be made; the connection ends with the last of
	// them.
	Drain <-chan struct{}
	// End, when closed, ends the connection, and with it every command.
	End <-chan struct{}
}

// Serve serves the client on a connected stream socket, who is peer, until the client or the process that connected is
// gone. What its commands left behind has ended when it returns. It is called once.
func (r *Ready) Serve(socket *os.File, peer Peer, service Service) error {
	conn, err := wire.NewConn(socket, wire.FromHelper)
	if err != nil {
		return err
	}
	peer.Program = program(service.CommandLine)
	if commands := r.daemon.opt.Commands; commands != nil {
		commands.Meet(peer, service.Groups)
	}
	defer r.Close()
	if err := endWithPeer(conn); err != nil {
		return err
	}
	s := r.daemon.newServer(conn, peer)
	if service.Gate != nil {
		s.gate = func() error {
			if err := service.Gate(); err != nil {
				return &privsep.CallError{Code: privsep.CodeBusy, Outcome: privsep.Answered, Message: err.Error()}
			}
			return nil
		}
	}
	r.mu.Lock()
	r.server = s
	r.mu.Unlock()
	done := make(chan struct{})
	defer close(done)
	go s.obey(service, done)
	return s.serve(context.Background(), r.hello)
}

// obey does what the service asks for until the connection is done.
func (s *server) obey(service Service, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-service.End:
			s.conn.Shutdown()
			return
		case <-service.Drain:
			service.Drain = nil
			s.drain()
		}
	}
}

// drain takes no more calls, and ends the connection when the last of those that were taken is answered.
func (s *server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	if s.taken == 0 {
		s.hangUp()
	}
}
