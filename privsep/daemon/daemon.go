// Package daemon is the root helper's half: a table of handlers and the loop that serves them to one client. It runs as
// root, or with what is left of it once package confine is through.
//
//	func main() {
//		d := daemon.New(daemon.Options{Context: netpriv.Net})
//		daemon.Handle(d, netpriv.SetMTU, setMTU)
//		d.Main()
//	}
//
// Main starts up in a fixed order and reads no byte of the client before it has given up all that the context does not
// name. A handler is an ordinary function; what it returns, and what it panics with, is answered, exactly once.
package daemon

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
	"github.com/privhelper/privhelper/privsep/daemon/audit/sink"
	"github.com/privhelper/privhelper/privsep/daemon/fence"
	"github.com/privhelper/privhelper/privsep/stats"
)

// Options say what a helper serves and how much of it at once. The zero value serves nothing.
type Options struct {
	// Context is what the handlers belong to; its capabilities are what the helper keeps. Nil: none, for a helper that
	// only runs commands.
	Context *privsep.Context
	// Commands runs filtered commands: a *rootwrap.Commands. Nil: entrypoints only.
	Commands Commands
	// User is who the helper becomes, its capabilities kept. Nil: it stays who it was started as. With Commands it must be
	// nil: there the policy says who (user =), and must know before the helper's cgroup is made.
	User *confine.User
	// ClientUID is the user that the client becomes, where it starts its helper as root and gives root up afterwards.
	// A client that is not root is who the kernel says it is, and a different ClientUID is refused. Nil: the peer's.
	ClientUID *uint32
	// Slots is how many calls run at once. 0: 64.
	Slots int
	// Queue is how many calls wait beyond these before the next fails with CodeBusy. 0: 16,384.
	Queue int
	// Grace is how long a handler may go on after its context ended before its call is answered without it. 0: 500 ms.
	Grace time.Duration
	// Audit is where a line for every call goes: whose it was, its entrypoint, how it ended and how long it took, and none
	// of its arguments. It is opened before the helper confines itself; SIGHUP opens its file anew. Nil: nowhere. With
	// Commands it must be nil: there the configuration says where (audit_file =, use_syslog =), for both.
	Audit *sink.Options
	// FencePath is the folder in which the fences of entrypoints are remembered (privsep.NewFencedEntrypoint), absolute, and
	// root's or the helper's own alone: see package fence. It may be the fence_path of a policy, beside Commands too; rules
	// and entrypoints of one name have one fence then. "": the context must have no fenced entrypoint.
	FencePath string
}

// Commands is what a helper needs to know of the part that runs filtered commands. It is implemented by
// rootwrap.Commands, which calls back into this package and so cannot be named here.
type Commands interface {
	// Load reads configuration and policy. The helper still has all that it was started with.
	Load() error
	// Confinement says what the policy needs: Keep for the helper itself, Bounding, within it, for its commands, and who
	// it becomes. It is called after Load and before Start.
	Confinement() confine.Spec
	// Start makes ready for the first command, and starts a child for each kind of command to see what the kernel makes of
	// it; not where proven is the policy's hash (Ready.Proven), "" is no such. The helper is confined.
	Start(peer Peer, proven string) error
	// Meet says who the client is where Start could not know it, a worker of a service being ready before anybody asks, and
	// the groups that it had when it connected. It is called before the first command.
	Meet(peer Peer, groups []uint32)
	// Describe gives the policy's hash, and in words how a command's processes are known and ended.
	Describe() (policy, trees string)
	// Handler runs one command.
	Handler() privsep.Handler
	// ListHandler names the rules that are for the client.
	ListHandler() privsep.Handler
	// Audit is where the lines of its decisions go, for those of other calls. It is asked after Load, and closed by Close. Nil:
	// nowhere.
	Audit() *sink.Sink
	// Decisions says how many rules the policy has, and what was decided so far.
	Decisions() (rules int, counts []stats.Decisions)
	// Close ends every command that still runs, unless its rule lets it live.
	Close() error
}

// A Daemon is a root helper. Make one with New, give it its handlers, call Main.
type Daemon struct {
	opt      Options
	handlers map[string]privsep.Handler
	audit    *sink.Sink
	fences   *fence.Fences
}

// New makes a Daemon without handlers. It panics where options contradict each other.
func New(opt Options) *Daemon {
	if opt.User != nil && opt.Commands != nil {
		panic("daemon: Options.User beside Commands: write user = into the policy's configuration")
	}
	if opt.Audit != nil && opt.Commands != nil {
		panic("daemon: Options.Audit beside Commands: write audit_file = into the policy's configuration")
	}
	if opt.Slots == 0 {
		opt.Slots = 64
	}
	if opt.Queue == 0 {
		opt.Queue = 16384
	}
	if opt.Grace == 0 {
		opt.Grace = 500 * time.Millisecond
	}
	d := &Daemon{opt: opt, handlers: map[string]privsep.Handler{}}
	d.add(d.fenced(stats.Get.Bind(d.stats)))
	if opt.Commands != nil {
		d.add(opt.Commands.Handler()) // which holds the token against the fence of its rule
		d.add(d.fenced(opt.Commands.ListHandler()))
	}
	return d
}

// Handle gives an entrypoint its handler. It panics if the entrypoint belongs to another context than the daemon's, or
// has a handler already. All handlers must be there before Main or Serve is called.
//
// The handler's context ends with the caller's deadline, when the caller cancels, and when the client is gone. Files in
// args are closed when the handler returns, unless Detach took them; Files in the reply become the daemon's.
func Handle[Args, Reply any](d *Daemon, e privsep.Entrypoint[Args, Reply], handler func(context.Context, Args) (Reply, error)) {
	if e.Context() != d.opt.Context {
		panic(fmt.Sprintf("daemon: entrypoint %s belongs to another context than this helper's", e.Name()))
	}
	d.add(d.fenced(e.Bind(handler)))
}

func (d *Daemon) add(h privsep.Handler) {
	if _, found := d.handlers[h.Name]; found {
		panic(fmt.Sprintf("daemon: entrypoint %s has two handlers", h.Name))
	}
	d.handlers[h.Name] = h
}

// complete returns an error that names every entrypoint of the context that has no handler.
func (d *Daemon) complete() error {
	if d.opt.Context == nil {
		return nil
	}
	var missing []string
	for _, e := range d.opt.Context.Declarations() {
		if _, found := d.handlers[e.Name]; !found {
			missing = append(missing, e.Name)
		}
	}
	if missing != nil {
		return fmt.Errorf("no handler for entrypoint %s: give it one with daemon.Handle", strings.Join(missing, ", "))
	}
	return nil
}

// declarations returns what HELLO says of the table. stats.Get is no part of it: every helper of this release has it.
func (d *Daemon) declarations() []privsep.Declaration {
	var all []privsep.Declaration
	for _, h := range d.handlers {
		if h.Name != stats.Get.Name() {
			all = append(all, h.Declaration)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}
