package service

import (
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/spawn"
)

// exitConfig is the exit code of a service or worker that did not come to serve: rootwrap's for a bad configuration.
const exitConfig = 97

// Main is the whole life of a service, and of each of its workers, which are this program started again with the same
// arguments. It returns never: the process ends with 0 when SIGTERM or SIGINT has stopped the service and its calls
// are done, and with 97 and a reason on standard error when it could not serve. A second signal does not wait for calls.
// SIGHUP reloads.
//
// It speaks sd_notify(3): ready, reloading, stopping, and the watchdog.
func Main(o Options) {
	run := serve
	if isWorker() {
		run = work
	}
	err := spawn.CloseOnExecFrom3()
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
		os.Exit(exitConfig)
	}
	os.Exit(0)
}

// serve is the master's life.
func serve(o Options) error {
	tell := newNotifier()
	setup, err := o.Load()
	if err != nil {
		return err
	}
	l, err := listen(o.Listen)
	if err != nil {
		return err
	}
	m, err := newMaster(o, setup)
	if err != nil {
		l.remove()
		return err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	if err := m.first(); err != nil {
		l.remove()
		return err
	}
	ctl, err := listenAt(ControlPath(l.path), 0o600)
	if err != nil {
		l.remove()
		return err
	}
	defer ctl.remove()
	go m.answer(ctl)
	go m.accept(l)
	tell.tell("READY=1")
	m.attend(l, tell, signals)
	return sweep()
}

// sweep removes the empty cgroups of workers, which had given up the right to do so when they ended: a new group removes
// what no living helper holds.
func sweep() error {
	g, err := spawn.NewGroup(spawn.Options{})
	if err != nil {
		return err
	}
	return g.Close()
}

// attend does what it is told by signals until the service has stopped.
func (m *master) attend(l listener, tell notifier, signals <-chan os.Signal) {
	var alive <-chan time.Time
	if tell.watchdog > 0 {
		t := time.NewTicker(tell.watchdog / 2)
		defer t.Stop()
		alive = t.C
	}
	for {
		select {
		case <-m.done:
			return
		case <-alive:
			m.mu.Lock() // whoever holds it for good is not alive
			m.mu.Unlock()
			tell.tell("WATCHDOG=1")
		case s := <-signals:
			switch {
			case s == unix.SIGHUP && !m.stopping():
				tell.reloading()
				m.reopen()
				m.reload()
				tell.tell("READY=1")
			case s == unix.SIGHUP:
			case m.stopping():
				m.end()
			default:
				m.stop()
				l.remove()
				l.file.Close()          // ends accept; what systemd holds of it stays, with those that have not been accepted
				tell.tell("STOPPING=1") // from here on nobody is served who was not
			}
		}
	}
}
