package pymanager

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep/confine"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// Options say which policy is served.
type Options struct {
	// Load reads configuration and policy: host.Load with host.Options.Detached, without which what a command leaves
	// behind goes with the daemon. It is called once, before the daemon confines itself.
	Load func() (*host.Loaded, error)
	// NoCgroup makes commands' processes be found by a walk although cgroups could be used.
	NoCgroup bool
}

// keySize is what the client reads after the line with the socket's path.
const keySize = 32

// Serve is a daemon's whole life: it starts up, tells the client on standard output where it is and the key, and serves
// until the client tells it to end, is gone, or has asked nothing for daemon_timeout, or until SIGTERM or SIGINT. SIGHUP
// opens the audit log anew.
// Then commands that run are waited for, unless the client is gone, and the folder is removed.
//
// An error is one of the start, those of Load as they are: nothing was told and nothing is served. Standard input, output
// and error are /dev/null once it serves.
func Serve(opt Options) error {
	if err := errors.Join(spawn.CloseOnExecFrom3(), spawn.OwnLimits()); err != nil {
		return err
	}
	environ := map[string]string{"SUDO_UID": os.Getenv("SUDO_UID")}
	find := func() (daemon.Peer, error) { return findStarter(func(name string) string { return environ[name] }) }
	client, err := find()
	if err != nil {
		return err
	}
	debug.SetGCPercent(25) // as daemon.Main, whatever the environment said
	os.Clearenv()
	os.Setenv("PATH", filters.DefaultPath)
	var config filters.Config
	commands := rootwrap.New(rootwrap.Options{NoCgroup: opt.NoCgroup, Load: func() (*host.Loaded, error) {
		loaded, err := opt.Load()
		if err == nil {
			config = loaded.Config
		}
		return loaded, err
	}})
	if err := commands.Load(); err != nil {
		return err
	}
	defer commands.Close()
	watch, err := watchClient(client, find)
	if err != nil {
		return err
	}
	groups := groupsOf(client)
	signals := make(chan os.Signal, 4) // from here on there is something to remove
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // of standard output, if the client is gone
	folder, err := makeFolder(client.UID)
	if err != nil {
		return err
	}
	defer folder.remove()
	if err := confined(commands, client); err != nil {
		return err
	}
	commands.Meet(client, groups)
	s, err := newServer(config, commands, client, folder)
	if err != nil {
		return err
	}
	if err := tell(folder.socket(), s.key); err != nil {
		return err
	}
	go func() {
		for sig := range signals {
			if log := commands.Audit(); sig != syscall.SIGHUP {
				s.stop()
			} else if log != nil {
				log.Reopen() // as privhelper daemon, for the log that was renamed
			}
		}
	}()
	go func() { watch.wait(); s.abandon() }()
	return s.serve()
}

// confined gives up all that the policy does not need, verifies it, and makes ready for commands.
func confined(commands *rootwrap.Commands, client daemon.Peer) error {
	spawn.CalmMonitor()
	spec := commands.Confinement()
	if err := confine.Apply(spec); err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	if err := confine.Verify(spec); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return commands.Start(client, "")
}

func newServer(config filters.Config, commands *rootwrap.Commands, client daemon.Peer, f *folder) (*server, error) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return nil, os.NewSyscallError("getrlimit", err)
	}
	key, err := randomBytes(keySize)
	if err != nil {
		return nil, err
	}
	s := &server{limits: orDefaults(config.DaemonMax, files.Cur), key: key, uid: client.UID, run: commands.Run, listener: f.listener,
		idle: max(0, config.DaemonTimeout) + time.Second} // a second more, as with the Python daemon: 0 would end before it is asked
	s.ready()
	return s, nil
}

// tell writes the socket's path, a newline and the key, in one write, and takes the client's streams out of our hands.
func tell(path string, key []byte) error {
	_, werr := os.Stdout.Write(append([]byte(path+"\n"), key...))
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	defer unix.Close(null)
	for fd := range 3 {
		if err := unix.Dup3(null, fd, 0); err != nil {
			return os.NewSyscallError("dup3", err)
		}
	}
	return werr
}

// randomBytes are from getrandom(2); crypto/rand would bring math/big.
func randomBytes(n int) ([]byte, error) {
	b := make([]byte, n)
	if got, err := unix.Getrandom(b, 0); err != nil || got != n {
		return nil, errors.Join(errors.New("getrandom: no random bytes"), err)
	}
	return b, nil
}
