package service

import (
	"os"

	"golang.org/x/sys/unix"
)

// A generation is what all workers of one Setup are started with.
type generation struct {
	snapshot *os.File // nil: there is none
	nursery  *nursery
	proven   string // what the first worker has proven (daemon.Ready.Proven), so that no other needs to
}

func newGeneration(s *Setup) (*generation, error) {
	snapshot, err := seal(s.Snapshot)
	if err != nil {
		return nil, err
	}
	n, err := newNursery(s.Bounding)
	if err != nil {
		snapshot.Close() // nil is an error that means nothing
		return nil, err
	}
	return &generation{snapshot: snapshot, nursery: n}, nil
}

// first starts a worker and waits until it is ready. No other may be started before.
func (g *generation) first() (*worker, error) {
	w, err := g.start()
	if err == nil {
		g.proven = w.proven
	}
	return w, err
}

// start starts a worker and waits until it is ready.
func (g *generation) start() (*worker, error) {
	w, err := startWorker(g)
	if err != nil {
		return nil, err
	}
	if err := w.becomeReady(); err != nil {
		w.end()
		return nil, err
	}
	return w, nil
}

// retire says that no more workers are wanted. The snapshot may be on its way to one: it is closed when nobody has it.
func (g *generation) retire() { g.nursery.close() }

// seal puts a snapshot into memory that nobody can change any more, to be read by every worker (memfd_create(2)).
func seal(snapshot []byte) (*os.File, error) {
	if snapshot == nil {
		return nil, nil
	}
	fd, err := unix.MemfdCreate("privhelper-snapshot", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "snapshot")
	if _, err := f.Write(snapshot); err != nil {
		f.Close()
		return nil, err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, os.NewSyscallError("fcntl F_ADD_SEALS", err)
	}
	return f, nil
}
