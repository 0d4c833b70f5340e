package client

import (
	"context"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// Tap starts a helper by another Launcher and carries each message between it and the client by hand, so that a test may
// do something in between: After is called with the number of messages that have passed, from either side, before the
// next one does.
type Tap struct {
	Launcher
	After func(passed int)
	count atomic.Int64
}

func (t *Tap) launch(log *logQueue) (*process, *os.File, error) {
	p, socket, err := t.Launcher.launch(log)
	if err != nil {
		return nil, nil, err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	helper, err := wire.NewConn(socket, wire.FromClient)
	if err != nil {
		return nil, nil, err
	}
	client, err := wire.NewConn(os.NewFile(uintptr(fds[0]), "tap"), wire.FromHelper)
	if err != nil {
		return nil, nil, err
	}
	go t.carry(helper, client)
	go t.carry(client, helper)
	return p, os.NewFile(uintptr(fds[1]), "tapped"), nil
}

// Passed says how many messages have passed.
func (t *Tap) Passed() int { return int(t.count.Load()) }

func (t *Tap) carry(from, to *wire.Conn) {
	defer to.Shutdown()
	for {
		m, files, err := from.Receive()
		if err != nil {
			return
		}
		_, err = to.Send(context.Background(), m, files)
		closeAll(files)
		if err != nil {
			return
		}
		t.After(int(t.count.Add(1)))
	}
}
