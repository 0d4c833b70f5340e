package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// maxLinks is the kernel's own limit, so that a loop ends.
const maxLinks = 40

// A walker goes down a path, one component at a time.
type walker struct {
	rules   *Rules
	purpose purpose
	userns  bool
	anybody uint32   // in a user namespace: the uid that all show whom it does not map
	anygrp  uint32   // the same of gids
	untold  bool     // in a user namespace: something on the way belongs to anybody
	doubt   *Error   // in a user namespace: something on the way is not trusted for another reason
	folders []folder // from the root folder to where it stands
	links   int
}

// A folder is one that is open.
type folder struct {
	fd   int
	name string // its whole path, without links
}

// An opened file ends a walk.
type opened struct {
	fd   int // O_PATH
	path string
	stat unix.Stat_t
}

// walk opens path, which must be absolute. The caller closes what it returns.
func walk(path string, rules *Rules, p purpose) (opened, error) {
	if !strings.HasPrefix(path, "/") {
		return opened{}, &Error{Path: path, Reason: "is not an absolute path"}
	}
	w, err := newWalker(rules, p)
	if err != nil {
		return opened{}, err
	}
	defer w.close()
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return opened{}, &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	root := opened{fd: fd, path: "/"}
	if err := unix.Fstat(fd, &root.stat); err != nil {
		_ = unix.Close(fd)
		return opened{}, &fs.PathError{Op: "stat", Path: "/", Err: err}
	}
	at, err := w.descend(root, path)
	return at, w.explain(path, err)
}

// explain words the errors of links that lead nowhere: of these the kernel's alone would name a file nobody asked for.
func (w *walker) explain(path string, err error) error {
	var at *fs.PathError
	if w.links == 0 || !errors.As(err, &at) {
		return err
	}
	switch at.Err {
	case unix.ENOENT:
		return &Error{Path: path, Reason: "leads by a link to " + at.Path + ", which does not exist",
			Advice: "remove the link, or make the file it leads to", Err: at.Err}
	case unix.ELOOP:
		return &Error{Path: path, Reason: "leads by links round in a loop, or by more than " + strconv.Itoa(maxLinks) + " of them, last " + at.Path,
			Advice: "make a link lead to a file", Err: at.Err}
	}
	return err
}

func newWalker(rules *Rules, p purpose) (*walker, error) {
	w := &walker{rules: rules, purpose: p}
	if rules.Untrusted {
		return w, nil
	}
	var err error
	if w.userns, err = inUserNamespace(); err != nil || !w.userns {
		return w, err
	}
	if w.anybody, err = readID("/proc/sys/kernel/overflowuid"); err == nil {
		w.anygrp, err = readID("/proc/sys/kernel/overflowgid")
	}
	return w, err
}

// descend goes from the root folder to the end of path.
func (w *walker) descend(at opened, path string) (opened, error) {
	rest := strings.Split(path, "/")
	for {
		if at.stat.Mode&unix.S_IFMT != unix.S_IFDIR {
			err := error(&fs.PathError{Op: "open", Path: at.path, Err: unix.ENOTDIR})
			if len(rest) == 0 {
				err = w.check(&at, true)
			}
			if err != nil {
				_ = unix.Close(at.fd)
				return opened{}, err
			}
			return at, nil
		}
		next, remaining := nextComponent(rest)
		if err := w.check(&at, next == ""); err != nil {
			_ = unix.Close(at.fd)
			return opened{}, err
		}
		if next == "" {
			return at, nil
		}
		w.folders = append(w.folders, folder{at.fd, at.path})
		var err error
		if at, rest, err = w.step(next, remaining); err != nil {
			return opened{}, err
		}
	}
}

// step opens one component; of a link it takes the target's components over.
func (w *walker) step(name string, rest []string) (opened, []string, error) {
	if name == ".." {
		w.leave()
		at, err := w.reopen()
		return at, rest, err
	}
	here := w.folders[len(w.folders)-1]
	at := opened{path: strings.TrimSuffix(here.name, "/") + "/" + name}
	var err error
	at.fd, err = unix.Openat(here.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return opened{}, nil, &fs.PathError{Op: "open", Path: at.path, Err: err}
	}
	if err := unix.Fstat(at.fd, &at.stat); err != nil {
		_ = unix.Close(at.fd)
		return opened{}, nil, &fs.PathError{Op: "stat", Path: at.path, Err: err}
	}
	if at.stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		return at, rest, nil
	}
	defer unix.Close(at.fd)
	if w.links++; w.links > maxLinks {
		return opened{}, nil, &fs.PathError{Op: "open", Path: at.path, Err: unix.ELOOP}
	}
	if err := w.check(&at, false); err != nil {
		return opened{}, nil, err
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(at.fd, "", buf)
	if err != nil {
		return opened{}, nil, &fs.PathError{Op: "readlink", Path: at.path, Err: err}
	}
	target := string(buf[:n])
	if strings.HasPrefix(target, "/") {
		for len(w.folders) > 1 {
			w.leave()
		}
	}
	next, err := w.reopen()
	return next, append(strings.Split(target, "/"), rest...), err
}

// leave goes one folder up; above the root folder is the root folder.
func (w *walker) leave() {
	if n := len(w.folders); n > 1 {
		_ = unix.Close(w.folders[n-1].fd)
		w.folders = w.folders[:n-1]
	}
}

// reopen takes the folder in which the walk stands off the stack, to go on from it.
func (w *walker) reopen() (opened, error) {
	n := len(w.folders) - 1
	at := opened{fd: w.folders[n].fd, path: w.folders[n].name}
	w.folders = w.folders[:n]
	if err := unix.Fstat(at.fd, &at.stat); err != nil {
		_ = unix.Close(at.fd)
		return opened{}, &fs.PathError{Op: "stat", Path: at.path, Err: err}
	}
	return at, nil
}

func (w *walker) close() {
	for _, f := range w.folders {
		_ = unix.Close(f.fd)
	}
}

// nextComponent returns the first component that moves, and what follows it. "" means that none is left.
func nextComponent(rest []string) (string, []string) {
	for i, name := range rest {
		if name != "" && name != "." {
			return name, rest[i+1:]
		}
	}
	return "", nil
}

// check judges one thing on the way. last says that the path ends here.
func (w *walker) check(at *opened, last bool) error {
	if w.rules.Untrusted {
		return nil
	}
	err := w.judge(at, last)
	switch {
	case !w.userns:
	case !last:
		// What the way to a handed file is like the launcher knows: it has judged it. Of any other file it must be
		// judged here.
		if w.untold = w.untold || at.stat.Uid == w.anybody; at.stat.Uid != w.anybody && w.doubt == nil {
			w.doubt = err
		}
		return nil
	case handed(&at.stat, w.rules.Handed):
		return nil
	case w.doubt != nil:
		return w.doubt
	case w.untold:
		return untold(at.path)
	}
	if err != nil {
		return err // not as a nil *Error
	}
	return nil
}

func (w *walker) judge(at *opened, last bool) *Error {
	m := &meta{uid: at.stat.Uid, gid: at.stat.Gid, mode: uint32(at.stat.Mode) & 0o7777}
	m.folder = at.stat.Mode&unix.S_IFMT == unix.S_IFDIR
	m.link = at.stat.Mode&unix.S_IFMT == unix.S_IFLNK
	m.anybody, m.anygroup = w.userns && m.uid == w.anybody, w.userns && m.gid == w.anygrp
	if m.mode&0o020 != 0 && !m.link {
		var err error
		if m.acl, err = readACL(at.fd); err != nil {
			return &Error{Path: at.path, Reason: err.Error()}
		}
	}
	// A sticky folder may stand above an executable if what follows is root's own: nobody else can replace it.
	if w.purpose == forExecuting && m.folder && !last && m.mode&sticky != 0 {
		m.mode &^= 0o022
	}
	return w.rules.judge(at.path, m)
}

// readACL reads the ACL of a file opened with O_PATH; nil where it has none.
func readACL(fd int) ([]aclEntry, error) {
	buf := make([]byte, 4096)
	n, err := unix.Getxattr(fmt.Sprintf("/proc/self/fd/%d", fd), "system.posix_acl_access", buf)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("has an ACL that cannot be read (%w)", err)
	}
	return parseACL(buf[:n])
}

func handed(st *unix.Stat_t, files []*os.File) bool {
	return slices.ContainsFunc(files, func(f *os.File) bool {
		var h unix.Stat_t
		return unix.Fstat(int(f.Fd()), &h) == nil && h.Dev == st.Dev && h.Ino == st.Ino
	})
}

// readID reads the one number of a file in /proc/sys.
func readID(path string) (uint32, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	id, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	return uint32(id), err
}

// inUserNamespace reports whether the ids of some files cannot be told apart: only the initial namespace maps all of them
// to themselves. It is asked once: a process of several threads, as every one of Go's is, changes its namespace no more
// (unshare(2), setns(2)), and a map is written once (user_namespaces(7)). One that is not written yet counts as one that
// does not map, for good.
var inUserNamespace = sync.OnceValues(func() (bool, error) {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false, fmt.Errorf("cannot tell whether this is a user namespace: %w", err)
	}
	return !slices.Equal(strings.Fields(string(text)), []string{"0", "0", "4294967295"}), nil
})
