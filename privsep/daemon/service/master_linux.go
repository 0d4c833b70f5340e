package service

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/privhelper/privhelper/privsep"
)

// A master is the process that accepts. Of a client it knows what the kernel says, and reads nothing.
type master struct {
	opt  Options
	ours namespaces
	done chan struct{} // closed when the service has stopped and every worker has ended

	mu        sync.Mutex
	setup     Setup
	workers   *generation // how they are made; those of an earlier one take no new client
	logs      int         // counts how often audit logs were to be opened anew
	ready     []*worker
	serving   map[*worker]struct{}
	starting  int
	processes int           // workers that have not been waited for
	waiting   []*connection // accepted, without a worker yet
	users     users
	failures  int // starts of workers in a row
	pause     *time.Timer
	calm      *time.Timer // runs for calmTime after a worker was handed a client; nil: none was
	stopped   bool
	ended     bool // done is closed
}

func newMaster(o Options, s Setup) (*master, error) {
	m := &master{opt: o, done: make(chan struct{}), serving: map[*worker]struct{}{}, users: users{all: map[uint32]*user{}}}
	var err error
	if m.ours, err = ownNamespaces(); err != nil {
		return nil, err
	}
	s.defaults()
	m.setup = s
	m.workers, err = newGeneration(&s)
	return m, err
}

// first starts a worker and waits until it is ready: a service that cannot serve must not say that it is ready.
func (m *master) first() error {
	w, err := m.workers.first()
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.adopt(w)
	m.fill()
	return nil
}

// adopt counts a worker that is ready. The lock is held.
func (m *master) adopt(w *worker) {
	if w.logs != m.logs { // it opened its log before, or meanwhile
		_ = w.control.send(message{kind: reopen})
	}
	m.processes++
	m.ready = append(m.ready, w)
	go m.follow(w)
}

// accept takes connections until the service stops.
func (m *master) accept(l listener) {
	for {
		file, err := l.accept()
		if err != nil && m.stopping() {
			return
		}
		if err != nil {
			complain("accept: %v", err)
			time.Sleep(50 * time.Millisecond) // too many open files, or no memory: it gets better or it does not
			continue
		}
		m.greet(file)
	}
}

var errStopping = errors.New("the service is stopping")

// match gives connections that wait to workers that are ready. The lock is held.
func (m *master) match() {
	if len(m.ready) > 0 {
		m.dropGone()
	}
	for len(m.waiting) > 0 && len(m.ready) > 0 {
		c, w := m.waiting[0], m.ready[0]
		m.waiting, m.ready = m.waiting[1:], m.ready[1:]
		calls := uint32(unlimited)
		if m.setup.Limits.Calls >= 0 {
			calls = uint32(m.users.take(c.peer.UID, 1, m.setup.Limits, time.Now()))
		}
		if err := w.control.send(message{kind: handOver, n: calls, text: c.commandLine, file: c.file}); err != nil {
			m.waiting = append([]*connection{c}, m.waiting...) // this worker has ended: the next
			continue
		}
		c.file.Close()
		w.client = c
		m.serving[w] = struct{}{}
		m.disturbed()
	}
}

// calmTime is how long a worker that was handed a client has the processors before its successor is started, unless it ends
// before. Starting one takes 6 ms of a processor, and just then the client's first call wants it: with its successor beside it,
// `privhelper run -- true` took twice as long.
const calmTime = 20 * time.Millisecond

// disturbed says that a worker has got a client. The lock is held.
func (m *master) disturbed() {
	if m.calm != nil {
		m.calm.Stop()
	}
	var t *time.Timer
	t = time.AfterFunc(calmTime, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.calm == t {
			m.calm = nil
			m.fill()
		}
	})
	m.calm = t
}

// fill starts workers until as many are ready as should be, and as many more as connections wait; right after a client has
// come, until half of them are. Not more at a time than there are processors: they would only hold each other up. The lock is
// held.
func (m *master) fill() {
	want := m.setup.Ready
	if m.calm != nil {
		want = (want + 1) / 2
	}
	for !m.stopped && m.pause == nil && m.starting < runtime.NumCPU() &&
		len(m.ready)+m.starting < want+len(m.waiting) {
		m.starting++
		go m.another(m.workers, m.logs)
	}
}

// another starts a worker for fill.
func (m *master) another(of *generation, logs int) {
	w, err := of.start()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.starting--
	switch {
	case err != nil && of != m.workers: // it was not wanted any more
	case err != nil:
		m.failed(err)
	case m.stopped || of != m.workers:
		m.processes++
		w.control.close()
		go m.follow(w)
	default:
		m.failures = 0
		w.logs = logs
		m.adopt(w)
		m.match()
	}
	m.fill()
	m.finish()
}

// failed lets a moment pass before the next worker is started, longer each time, and tells those that wait. The lock is
// held.
func (m *master) failed(err error) {
	complain("a worker did not start: %v", err)
	m.failures++
	for _, c := range m.waiting {
		m.users.disconnect(c.peer.UID)
		refuse(c.file, privsep.CodeBusy, errors.New("the service cannot start a helper now: ask root of this machine to look at its log"))
	}
	m.waiting = nil
	if m.pause == nil {
		m.pause = time.AfterFunc(min(100*time.Millisecond<<min(m.failures-1, 10), 10*time.Second), func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.pause = nil
			m.fill()
		})
	}
}

// follow hears a worker until it ends.
func (m *master) follow(w *worker) {
	for {
		msg, err := w.control.receive(false)
		if err != nil {
			break
		}
		if msg.kind != wantCalls {
			complain("worker %d says what no worker says, and is ended", w.process.Pid)
			break
		}
		m.mu.Lock()
		n := 0
		if w.client != nil {
			n = m.users.take(w.client.peer.UID, m.setup.Limits.batch(), m.setup.Limits, time.Now())
		}
		m.mu.Unlock()
		if w.control.send(message{kind: grant, n: uint32(n)}) != nil {
			break
		}
	}
	w.end()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.processes--
	if i := slices.Index(m.ready, w); i >= 0 {
		m.ready = slices.Delete(m.ready, i, i+1)
	}
	if w.client != nil {
		delete(m.serving, w)
		m.users.disconnect(w.client.peer.UID)
		m.calm = nil
	}
	m.fill()
	m.finish()
}

// reopen has every worker open its audit log anew: those too that wait for a client or are being started, who go on where a reload
// fails.
func (m *master) reopen() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logs++
	for w := range m.serving {
		_ = w.control.send(message{kind: reopen}) // one that has ended has no log
	}
	for _, w := range m.ready {
		_ = w.control.send(message{kind: reopen})
	}
}

// reload reads the configuration again. It holds when a worker has become ready under it; until then, and where it is bad,
// everything stays as it was. Connections end under the policy under which they began.
func (m *master) reload() {
	setup, err := m.opt.Load()
	if err != nil {
		complain("not reloaded: %v", err)
		return
	}
	setup.defaults()
	workers, err := newGeneration(&setup)
	if err != nil {
		complain("not reloaded: %v", err)
		return
	}
	w, err := workers.first()
	if err != nil {
		complain("not reloaded: %v", err)
		workers.retire()
		workers.snapshot.Close() // nil is an error that means nothing
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.workers.retire()
	m.setup, m.workers = setup, workers
	for _, old := range m.ready {
		old.control.close()
	}
	m.ready, m.failures = nil, 0
	m.adopt(w)
	m.match()
	m.fill()
}

func (m *master) stopping() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stopped
}

// stop lets calls be answered that have been made, and ends the rest.
func (m *master) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	for _, c := range m.waiting {
		m.users.disconnect(c.peer.UID)
		refuse(c.file, privsep.CodeBusy, errStopping)
	}
	m.waiting = nil
	for _, w := range m.ready {
		w.control.close()
	}
	for w := range m.serving {
		_ = w.control.send(message{kind: drain})
	}
	time.AfterFunc(m.setup.Drain, m.end)
	m.finish()
}

// end ends every worker, with its client's connection and commands.
func (m *master) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for w := range m.serving {
		w.control.close() // follow ends it
	}
}

// finish says that the service has stopped when nothing of it is left. The lock is held.
func (m *master) finish() {
	if m.stopped && m.processes == 0 && m.starting == 0 && !m.ended {
		m.ended = true
		close(m.done)
	}
}

// complain writes to standard error, which is the journal's or the administrator's.
func complain(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "privhelper: "+format+"\n", args...)
}
