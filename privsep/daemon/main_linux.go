package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/internal/trust"
	"github.com/privhelper/privhelper/privsep/confine"
	"github.com/privhelper/privhelper/privsep/daemon/audit/sink"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// Main is a helper's whole life: it starts up, serves the client on standard input, and ends the process when the
// client is gone. An error of the start goes to standard error, where the client finds it, and nothing is served. The
// process's exit code is 0 then, 97 where it did not come to serve, 76 where the client broke the protocol, and 70 where
// every slot was taken by a handler that outlived its call.
func (d *Daemon) Main() {
	served, err := d.run()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
	}
	os.Exit(exitCode(served, err))
}

// run is the start-up, in the order that its safety rests on. No byte of the client is read before verify returned.
func (d *Daemon) run() (served bool, err error) {
	if err := errors.Join(spawn.CloseOnExecFrom3(), spawn.OwnLimits()); err != nil {
		return false, err
	}
	kind, peer, err := socketPeer(0)
	if err != nil {
		return false, err
	}
	if kind == unix.SOCK_SEQPACKET {
		return false, starter(0)
	}
	peer, err = peer.mayAsk(d.opt.ClientUID, os.Getenv("SUDO_UID"))
	if err != nil {
		return false, err
	}
	peer.Program = program(CommandLine(0, peer.PID))
	spec, err := d.load()
	if err != nil {
		return false, err
	}
	defer d.close()
	conn, err := takeStandardInput()
	if err != nil {
		return false, err
	}
	hello, err := d.confine(spec, peer, "")
	if err != nil {
		return false, err
	}
	heedSignals(conn.Shutdown, d.audit.Reopen)
	if err := endWithPeer(conn); err != nil {
		return false, err
	}
	return true, d.newServer(conn, peer).serve(context.Background(), hello)
}

// load reads all that a helper must know before it gives up the right to read it, and says what it keeps.
func (d *Daemon) load() (confine.Spec, error) {
	os.Clearenv()
	os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
	spec := confine.Spec{User: d.opt.User, NoNewPrivs: d.opt.Commands == nil}
	if err := d.complete(); err != nil {
		return spec, err
	}
	if d.opt.Context != nil {
		spec.Keep = d.opt.Context.Capabilities()
	}
	if d.opt.Commands != nil {
		if err := d.opt.Commands.Load(); err != nil {
			return spec, err
		}
		needs := d.opt.Commands.Confinement()
		spec.Commands, spec.Keep, spec.Bounding = true, spec.Keep|needs.Keep, needs.Bounding
		if needs.User != nil {
			spec.User = needs.User
		}
	}
	if err := d.openFences(spec.User, trust.Rules{}); err != nil {
		return spec, err
	}
	return spec, d.openAudit()
}

// openAudit finds or opens where the lines of calls go. Commands have read their policy by now.
func (d *Daemon) openAudit() (err error) {
	switch {
	case d.opt.Commands != nil:
		d.audit = d.opt.Commands.Audit()
	case d.opt.Audit != nil:
		d.audit, err = sink.Open(*d.opt.Audit)
	}
	return err
}

// close ends what commands left behind, and gives the audit log back.
func (d *Daemon) close() {
	_ = d.fences.Close()
	if d.opt.Commands != nil {
		_ = d.opt.Commands.Close()
	} else {
		_ = d.audit.Close()
	}
}

// confine gives up what spec does not keep, and looks whether it is so. Then it describes the helper.
func (d *Daemon) confine(spec confine.Spec, peer Peer, proven string) (wire.Hello, error) {
	spawn.CalmMonitor()
	if err := confine.Apply(spec); err != nil {
		return wire.Hello{}, fmt.Errorf("confine: %w", err)
	}
	if err := confine.Verify(spec); err != nil {
		return wire.Hello{}, fmt.Errorf("verify: %w", err)
	}
	if d.opt.Commands != nil {
		if err := d.opt.Commands.Start(peer, proven); err != nil {
			return wire.Hello{}, err
		}
	}
	boundGarbage()
	return d.hello(spec)
}

// hello describes the helper as the kernel shows it after it was confined.
func (d *Daemon) hello(spec confine.Spec) (wire.Hello, error) {
	status, err := confine.ReadStatus(0, 0)
	if err != nil {
		return wire.Hello{}, err
	}
	h := wire.Hello{PID: status.PID, UID: status.UID.Effective, GID: status.GID.Effective, Groups: status.Groups,
		Keep: status.Permitted, Bounding: spec.Bounding, NoNewPrivs: status.NoNewPrivs}
	if d.opt.Commands != nil {
		h.Policy, h.Trees = d.opt.Commands.Describe()
	} else {
		h.Bounding = status.Bounding
	}
	return h, nil
}

// takeStandardInput makes a connection of descriptor 0 and leaves /dev/null in its place, so that no file that is
// opened later becomes somebody's standard input.
func takeStandardInput() (*wire.Conn, error) {
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	defer unix.Close(null)
	if err := unix.Dup3(null, 0, 0); err != nil {
		return nil, os.NewSyscallError("dup3", err)
	}
	return wire.NewConn(os.NewFile(uintptr(fd), "client"), wire.FromHelper)
}

// Serve answers one client on a connected stream socket in this process as it is, without confining anything: for
// tests that need no root (privseptest). It returns when the client is gone.
func (d *Daemon) Serve(ctx context.Context, socket *os.File) error {
	if err := d.complete(); err != nil {
		return err
	}
	conn, err := wire.NewConn(socket, wire.FromHelper)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, conn.Shutdown)
	defer stop()
	defer conn.Close()
	hello := wire.Hello{PID: os.Getpid(), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	peer := Peer{PID: os.Getpid(), UID: hello.UID, GID: hello.GID}
	if d.opt.Commands != nil {
		if err := d.opt.Commands.Load(); err != nil {
			return err
		}
	}
	if err := d.openFences(nil, trust.Rules{Untrusted: true}); err != nil {
		return err
	}
	if err := d.openAudit(); err != nil {
		return err
	}
	defer d.close()
	if d.opt.Commands != nil {
		if err := d.opt.Commands.Start(peer, ""); err != nil {
			return err
		}
		hello.Policy, hello.Trees = d.opt.Commands.Describe()
	}
	return d.newServer(conn, peer).serve(ctx, hello)
}
