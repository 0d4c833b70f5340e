package rootwrap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/lockutils"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
	"github.com/privhelper/privhelper/privsep/daemon/fence"
)

// Locks are the named locks of a policy's rules. Nil has none.
type Locks struct {
	set *lockutils.Set
}

// OpenLocks makes the folder of locks and the files of those that rules name, as long as this process may: later it may not
// be able to. become is who it will be, nil where it stays who it is. only, if not nil, is the one rule whose locks are
// wanted. Without a rule that names a lock it returns nil.
//
// A folder of ours is root's alone, and so are its files, or become's. In one that others may write (lock_path_shared) a
// file belongs to who owns the folder, and whoever may write the folder may lock it: to share a lock is what such a folder
// is for, and to be able to remove the file is more.
func OpenLocks(loaded *host.Loaded, only *filters.Rule, become *confine.User) (*Locks, error) {
	names := map[string]bool{}
	for _, r := range loaded.Policy.Rules() {
		if only != nil && only != r {
			continue
		}
		for _, name := range r.Section.Locks {
			names[name] = true
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	cfg := loaded.Config
	folder, err := openLockFolder(cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: lock_path: %w", cfg.File, err)
	}
	defer folder.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(folder.Fd()), &st); err != nil {
		return nil, fmt.Errorf("%s: lock_path: %w", cfg.File, os.NewSyscallError("fstat", err))
	}
	mode := fs.FileMode(0o600)
	uid, gid := os.Geteuid(), os.Getegid()
	switch {
	case cfg.LockPathShared:
		mode = 0
		uid, gid = int(st.Uid), int(st.Gid)
		for _, who := range []uint32{6, 3, 0} { // owner, group, others
			if st.Mode>>who&0o2 != 0 {
				mode |= 0o6 << who
			}
		}
	case become != nil:
		uid, gid = int(become.UID), int(become.GID)
	}
	for name := range names {
		if err := makeLockFile(int(folder.Fd()), name, uid, gid, uint32(mode)); err != nil {
			return nil, fmt.Errorf("%s: lock_path: %s: %w", cfg.File, name, err)
		}
	}
	return &Locks{&lockutils.Set{Folder: cfg.LockPath, Names: lockutils.Oslo, Mode: mode, SharedFolder: cfg.LockPathShared}}, nil
}

// openLockFolder opens lock_path, and makes it where it is not there. Through a link in the path of a folder that others may
// write root would make its files wherever they like, so there is none.
func openLockFolder(cfg filters.Config) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC}
	if cfg.LockPathShared {
		how.Resolve = unix.RESOLVE_NO_SYMLINKS
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, cfg.LockPath, &how)
	if errors.Is(err, unix.ENOENT) {
		if err := os.MkdirAll(cfg.LockPath, 0o755); err != nil {
			return nil, err
		}
		fd, err = unix.Openat2(unix.AT_FDCWD, cfg.LockPath, &how)
	}
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%s has a link in it: name the folder itself, for lock_path_shared", cfg.LockPath)
	case err != nil:
		return nil, &os.PathError{Op: "open", Path: cfg.LockPath, Err: err}
	}
	return os.NewFile(uintptr(fd), cfg.LockPath), nil
}

// makeLockFile makes a file that does not exist, and leaves one that does: somebody may hold it.
func makeLockFile(folder int, name string, uid, gid int, mode uint32) error {
	var st unix.Stat_t
	if err := unix.Fstatat(folder, name, &st, unix.AT_SYMLINK_NOFOLLOW); !errors.Is(err, unix.ENOENT) {
		return err
	}
	fd, err := unix.Openat(folder, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, mode&0o600)
	if errors.Is(err, unix.EEXIST) {
		return nil
	} else if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Fchmod(fd, mode); err != nil {
		return err
	}
	if uid == os.Geteuid() && gid == os.Getegid() {
		return nil
	}
	return unix.Fchown(fd, uid, gid)
}

// Held are the locks of one command, and the right to act under its fence. The zero value has none.
type Held struct {
	all    []*lockutils.Held
	pass   *fence.Pass
	waited time.Duration
}

// Release leaves the fence and gives the locks back, the last first.
func (h *Held) Release() error {
	errs := []error{h.pass.Leave()}
	h.pass = nil
	for _, one := range slices.Backward(h.all) {
		errs = append(errs, one.Unlock())
	}
	h.all = nil
	return errors.Join(errs...)
}

// Take takes locks one after the other, in the order of their names, which is everybody's, and waits for each until ctx
// ends. A lock that a process holds which waits for this command would be waited for without end, and is refused at once;
// waits says whether that process does: the client itself, for one.
//
// The error is a *LockError.
func (l *Locks) Take(ctx context.Context, names []string, waits func(pid int) bool) (*Held, error) {
	held := &Held{}
	begin := time.Now()
	for _, name := range names {
		one, err := l.take(ctx, name, waits)
		if err != nil {
			return nil, errors.Join(&LockError{Name: name, Err: err}, held.Release())
		}
		held.all = append(held.all, one)
		ctx = one.Context()
	}
	if len(names) > 0 {
		held.waited = time.Since(begin)
	}
	return held, nil
}

func (l *Locks) take(ctx context.Context, name string, waits func(pid int) bool) (*lockutils.Held, error) {
	one, err := l.set.TryLock(ctx, name)
	var taken *lockutils.WaitError
	if !errors.As(err, &taken) || !errors.Is(err, lockutils.ErrBusy) {
		return one, err
	}
	if h := taken.Holder; h != nil && !h.Here && waits(h.Pid) {
		return nil, fmt.Errorf("%v holds it, and waits for this command: %w", h, syscall.EDEADLK)
	}
	return l.set.Lock(ctx, name)
}

// Time is how long the locks were waited for; 0 for nil, which was not granted.
func (h *Held) Time() time.Duration {
	if h == nil {
		return 0
	}
	return h.waited
}

// lockRefusal is what the client is told of an error of Take.
func lockRefusal(rule string, err error) error {
	var e *LockError
	if !errors.As(err, &e) {
		return err
	}
	return e.told(rule)
}

// A LockError says why a command did not get its lock. Its text is for root's eyes: it names who holds the lock.
type LockError struct {
	Name string
	Err  error
}

func (e *LockError) Error() string { return fmt.Sprintf("lock %s: %v", e.Name, e.Err) }

// Unwrap returns the cause.
func (e *LockError) Unwrap() error { return e.Err }

// told is what a client learns: its own part in it, and nothing of others.
func (e *LockError) told(rule string) *privsep.CallError {
	t := privsep.ErrorFrom("", e.Err)
	t.Outcome = privsep.Answered
	t.Message = fmt.Sprintf("the lock %s of rule %s ", e.Name, rule)
	switch {
	case t.Errno == syscall.EDEADLK:
		t.Message += "is held by the client itself, which would wait for its own command: give it back before"
	case t.Code == privsep.CodeDeadline || t.Code == privsep.CodeCancelled:
		t.Message += "was not free in time"
	default:
		t.Message += "cannot be taken"
	}
	return t
}
