package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/cmd/client-demo/contract"
	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// policy is the demo's: compiled in, so that nothing has to be installed. A real service's stands in /etc, where an
// operator reads it.
const policy = `[Filters]
id: CommandFilter, id, root
show: RegExpFilter, cat, root, cat, /proc/(?!\.\.)[a-z/]*
tree: RegExpFilter, sh, root, sh, -c, \(setsid sleep \d+ &\) ; sleep \d+
sleep: RegExpFilter, sleep, root, sleep, \d+
`

// helper is the root half. It is this same program, started again: its own binary would be better (see
// docs/architecture.md), and would have to be installed first.
func helper(secret string) {
	commands := rootwrap.New(rootwrap.Options{Load: embedded})
	d := daemon.New(daemon.Options{Context: contract.Demo, Commands: commands})
	daemon.Handle(d, contract.Report, report)
	daemon.Handle(d, contract.OpenSecret, func(context.Context, privsep.Void) (privsep.File, error) {
		f, err := os.Open(secret)
		return privsep.File{File: f}, err
	})
	daemon.Handle(d, contract.Listen, listen)
	daemon.Handle(d, contract.Crash, func(context.Context, privsep.Void) (privsep.Void, error) {
		os.Exit(3)
		return privsep.Void{}, nil
	})
	d.Main()
}

func embedded() (*host.Loaded, error) {
	config := "[DEFAULT]\nfilters_path=/nonexistent\ncapabilities=CAP_NET_ADMIN\n"
	cfg, _, err := filters.ParseConfig("built-in.conf", []byte(config), true)
	if err != nil {
		return nil, err
	}
	p, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "built-in.filters", Text: []byte(policy)}})
	if err != nil {
		return nil, err
	}
	// In a user namespace nobody can tell who owns a program: the launcher has looked, and handed them in.
	return host.New(cfg, p, host.Options{Handed: daemon.Handed()})
}

// report says who this process is, in words.
func report(context.Context, privsep.Void) (string, error) { return whoAmI() }

func whoAmI() (string, error) {
	s, err := confine.ReadStatus(0, 0)
	if err != nil {
		return "", err
	}
	return confine.Describe(s), nil
}

// listen binds the port, and connects to it, because nobody else can where the network is the helper's own.
func listen(_ context.Context, a contract.ListenArgs) (contract.ListenReply, error) {
	if inUserNamespace() {
		if err := loopbackUp(); err != nil {
			return contract.ListenReply{}, err
		}
	}
	address := &unix.SockaddrInet4{Port: int(a.Port), Addr: [4]byte{127, 0, 0, 1}}
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return contract.ListenReply{}, os.NewSyscallError("socket", err)
	}
	listener := os.NewFile(uintptr(l), "listener")
	if err := unix.Bind(l, address); err != nil {
		listener.Close()
		if errors.Is(err, unix.EADDRINUSE) {
			return contract.ListenReply{}, contract.ErrPortTaken
		}
		return contract.ListenReply{}, fmt.Errorf("bind port %d: %w", a.Port, err)
	}
	if err := unix.Listen(l, 16); err != nil {
		listener.Close()
		return contract.ListenReply{}, os.NewSyscallError("listen", err)
	}
	d, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		listener.Close()
		return contract.ListenReply{}, os.NewSyscallError("socket", err)
	}
	dialled := os.NewFile(uintptr(d), "dialled")
	if err := unix.Connect(d, address); err != nil {
		listener.Close()
		dialled.Close()
		return contract.ListenReply{}, os.NewSyscallError("connect", err)
	}
	return contract.ListenReply{Listener: privsep.File{File: listener}, Dialled: privsep.File{File: dialled}}, nil
}

// loopbackUp sets the loopback interface of a new network namespace up.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return os.NewSyscallError("ioctl", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr))
}

// inUserNamespace reports whether this process's root is not the machine's.
func inUserNamespace() bool {
	text, _ := os.ReadFile("/proc/self/uid_map")
	var inside, outside, size uint64
	_, err := fmt.Sscan(string(text), &inside, &outside, &size)
	return err != nil || size < 1<<32-1
}
