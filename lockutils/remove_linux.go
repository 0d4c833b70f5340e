package lockutils

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Remove takes the lock, as Lock does, and removes its file. If others have the file open, because they wait for it, it
// stays, and the error wraps ErrInUse: who polls a removed file, as Python does, would hold what nobody else sees. A file
// of another user can be removed by root alone. On file systems without leases, as NFS, and for FlockOnly it is an error,
// for the latter errors.ErrUnsupported.
func (s *Set) Remove(ctx context.Context, name string) error {
	held, err := s.Lock(ctx, name)
	if err != nil {
		return err
	}
	return s.removeHeld(held)
}

func (s *Set) removeHeld(held *Held) error {
	var err error
	if b, ok := held.claim.grip.(*both); ok {
		err = removeUnused(b)
	} else if held.Path != "" {
		err = &FileError{Path: held.Path, Err: errors.ErrUnsupported}
	}
	return errors.Join(err, held.Unlock())
}

// CleanUp removes the lock files of the Set's prefix that were made longer ago than age and that nobody holds or waits
// for. It returns the names of the files that it removed. Lock files are empty, and others are left alone; but give the
// folder to locks only: any empty file there may be one. Files that may not be removed are an error at the end, and keep
// CleanUp from no others.
func (s *Set) CleanUp(ctx context.Context, age time.Duration) ([]string, error) {
	s.mu.Lock()
	in, err := s.folder()
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(in.path)
	if err != nil {
		return nil, err
	}
	before := time.Now().Add(-age)
	var removed []string
	var errs []error
	for _, entry := range entries {
		if ctx.Err() != nil {
			return removed, errors.Join(append(errs, ended(ctx))...)
		}
		if strings.HasPrefix(entry.Name(), sideFolder+"-") {
			errs = append(errs, removeRest(filepath.Join(in.path, entry.Name())))
			continue
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > 0 || info.ModTime().After(before) || !s.Names.ours(s.Prefix, entry.Name()) {
			continue
		}
		switch err := s.removeIdle(ctx, entry.Name()); {
		case err == nil:
			removed = append(removed, entry.Name())
		case !errors.Is(err, ErrBusy) && !errors.Is(err, ErrInUse) && !errors.Is(err, fs.ErrNotExist):
			errs = append(errs, err)
		}
	}
	return removed, errors.Join(errs...)
}

// removeIdle removes a lock file, by its name in the folder, and what was kept beside it, unless somebody uses it.
func (s *Set) removeIdle(ctx context.Context, fileName string) error {
	held, err := s.acquireFile(ctx, want{name: fileName, try: true}, fileName)
	if err != nil {
		return err
	}
	path := held.Path
	if err := s.removeHeld(held); err != nil {
		return err
	}
	return removeRest(filepath.Join(filepath.Dir(path), sideFolder, fileName))
}

// removeRest removes a side file, or what a removal left that was killed, unless somebody has it open.
func removeRest(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	g, err := openBoth(path, 0, false, true)
	if err != nil {
		return err
	}
	err = removeUnused(g.(*both))
	if errors.Is(err, ErrInUse) {
		err = nil
	}
	return errors.Join(err, g.close())
}

// removeUnused removes a file that nobody else has open. That is what a write lease is granted for, and while we have
// it nobody can come to have it open unseen: an open(2) breaks the lease, which shows, and waits. So the file is first
// moved aside, and moved back if the lease was broken.
func removeUnused(b *both) error {
	id, err := b.id()
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(b.fd), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		if err == unix.EAGAIN {
			return &FileError{Path: b.path, Err: ErrInUse}
		}
		return b.failed("fcntl lease", err)
	}
	aside := filepath.Join(filepath.Dir(b.path), fmt.Sprintf("%s-%d", sideFolder, id.ino))
	if err := unix.Rename(b.path, aside); err != nil {
		return errors.Join(b.failed("rename", err), b.endLease())
	}
	lease, err := unix.FcntlInt(uintptr(b.fd), unix.F_GETLEASE, 0)
	if err == nil && lease == unix.F_WRLCK {
		return errors.Join(b.failedIf("unlink", unix.Unlink(aside)), b.endLease())
	}
	// Somebody has opened it meanwhile, and waits in open(2) for the lease to end.
	back := unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, b.path, unix.RENAME_NOREPLACE)
	return errors.Join(&FileError{Path: b.path, Err: ErrInUse}, b.failedIf("rename", back), b.endLease())
}

func (b *both) endLease() error {
	_, err := unix.FcntlInt(uintptr(b.fd), unix.F_SETLEASE, unix.F_UNLCK)
	return b.failedIf("fcntl lease", err)
}

func (b *both) failedIf(what string, err error) error {
	if err == nil {
		return nil
	}
	return b.failed(what, err)
}
