package service

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/privhelper/privhelper/privsep/internal/strict"
	"github.com/privhelper/privhelper/privsep/stats"
	"golang.org/x/sys/unix"
)

// A Status is what a service says of itself to root.
type Status struct {
	Name        string       `json:"name"` // Setup.Name
	PID         int          `json:"pid"`
	Ready       int          `json:"ready"`   // workers that wait for a client
	Waiting     int          `json:"waiting"` // clients that wait for a worker
	Stopping    bool         `json:"stopping"`
	Connections []Connection `json:"connections"` // that are served
}

// A Connection is one client with its worker.
type Connection struct {
	Worker int    `json:"worker"` // its pid
	UID    uint32 `json:"uid"`    // the client's
	PID    int    `json:"pid"`
	// Stats are the worker's own word; nil where it did not answer.
	Stats *stats.Stats `json:"stats"`
}

// Status travels to root, and Stats from a worker, as an entrypoint's reply does: held against their type before anything
// is made of them.
//
// Not made before they are asked for: every start of the program would pay a tenth of a millisecond.
var statusPlan, statsPlan = lazyPlan[Status](), lazyPlan[stats.Stats]()

func lazyPlan[T any]() func() *strict.Plan {
	return sync.OnceValue(func() *strict.Plan {
		plan, err := strict.NewPlan(reflect.TypeFor[T](), nil)
		if err != nil {
			panic(err)
		}
		return plan
	})
}

// ControlPath is where a service answers root: NAME.ctl beside its socket NAME.sock.
func ControlPath(socket string) string { return strings.TrimSuffix(socket, ".sock") + ".ctl" }

// tellTime bounds a question, for the master to all of its workers, and for whoever asks the master.
const tellTime = time.Second

// most is what a worker may say. One that was taken over by its client could say anything.
const most = 256 << 10

// Ask asks the service of a control socket. The error is what connecting or reading came to: fs.ErrNotExist where there is no
// socket, fs.ErrPermission for whoever is not root.
func Ask(control string) (Status, error) {
	var s Status
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return s, os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: control}); err != nil {
		unix.Close(fd)
		return s, &os.PathError{Op: "connect", Path: control, Err: err}
	}
	_ = unix.SetNonblock(fd, true)
	conn := os.NewFile(uintptr(fd), control)
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(10 * tellTime))
	text, err := io.ReadAll(conn)
	if err == nil {
		err = statusPlan().DecodeWithin(text, nil, &s, strict.Limits{Elements: len(text), Memory: 64 * (len(text) + most)})
	}
	if err != nil {
		return s, fmt.Errorf("%s: no status: %w", control, err)
	}
	return s, nil
}

// answer tells root how the service is, one after the other, until the process ends.
func (m *master) answer(ctl listener) {
	for {
		conn, err := ctl.accept()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(50 * time.Millisecond) // as in accept
			continue
		}
		if isRoot(conn) {
			text, _, err := statusPlan().Append(nil, m.status(), nil)
			if err == nil {
				_ = conn.SetWriteDeadline(time.Now().Add(tellTime))
				_, _ = conn.Write(text)
			}
		}
		conn.Close()
	}
}

// isRoot says what the socket's mode says too.
func isRoot(conn *os.File) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	root := false
	_ = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		root = err == nil && (cred.Uid == 0 || cred.Uid == uint32(os.Geteuid()))
	})
	return root
}

// status asks all workers at one time.
func (m *master) status() Status {
	m.mu.Lock()
	s := Status{Name: m.setup.Name, PID: os.Getpid(), Ready: len(m.ready), Waiting: len(m.waiting), Stopping: m.stopped}
	var answers []*os.File
	for w := range m.serving {
		s.Connections = append(s.Connections, Connection{Worker: w.process.Pid, UID: w.client.peer.UID, PID: w.client.peer.PID})
		answers = append(answers, w.ask())
	}
	m.mu.Unlock()
	deadline := time.Now().Add(tellTime)
	for i, answer := range answers {
		if answer == nil {
			continue
		}
		_ = answer.SetReadDeadline(deadline)
		var told stats.Stats
		if text, err := io.ReadAll(io.LimitReader(answer, most)); err == nil && statsPlan().DecodeWithin(text, nil, &told, strict.Limits{}) == nil {
			s.Connections[i].Stats = &told
		}
		answer.Close()
	}
	return s
}

// ask has the worker write its Stats; nil: it has ended.
func (w *worker) ask() *os.File {
	read, write, err := os.Pipe()
	if err != nil {
		return nil
	}
	defer write.Close()
	if err := w.control.send(message{kind: tell, file: write}); err != nil {
		read.Close()
		return nil
	}
	return read
}
