package host

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/internal/trust"
)

// machine asks Linux. Nothing is cached: programs are upgraded, and links move.
type machine struct {
	rules trust.Rules
}

func (m *machine) Executable(path string, trusted bool) (string, error) {
	if err := unix.Access(path, unix.X_OK); err != nil {
		return "", filters.ErrNotExecutable
	}
	if !trusted {
		return path, nil
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return "", filters.ErrNotExecutable // access(2) takes a folder for executable
	}
	canonical, err := trust.Executable(path, m.rules)
	if err == nil {
		err = m.interpreters(canonical)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", filters.ErrNotExecutable
	}
	return canonical, err
}

// RealPath follows os.path.realpath without strict: it never fails.
func (m *machine) RealPath(path string) string {
	dir := "/"
	if !strings.HasPrefix(path, "/") {
		wd, err := os.Getwd()
		if err != nil {
			return ""
		}
		dir = wd
	}
	r := resolver{seen: make(map[string]string)}
	resolved, _ := r.resolve(dir, path)
	clean := filepath.Clean(resolved)
	if strings.HasPrefix(resolved, "//") && !strings.HasPrefix(resolved, "///") {
		clean = "/" + clean // POSIX keeps two slashes, and so does os.path.normpath
	}
	return clean
}

// A resolver resolves links in a path as far as it exists.
type resolver struct {
	seen  map[string]string // links, and what they came to; "" while one is being resolved
	depth int
}

// maxResolve bounds the recursion into links of links; Python's own limit is about a thousand.
const maxResolve = 200

// resolve goes from dir along rest. ok is false where a loop of links ended it; what is left is then kept as it stands.
// Its time is linear in rest: a client's argument may be 128 KiB long.
func (r *resolver) resolve(dir, rest string) (path string, ok bool) {
	if r.depth++; r.depth > maxResolve {
		return join(dir, rest), false
	}
	defer func() { r.depth-- }()
	if strings.HasPrefix(rest, "/") {
		dir = "/"
	}
	at := append(make([]byte, 0, len(dir)+len(rest)+1), dir...)
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		switch name {
		case "", ".":
			continue
		case "..":
			at = at[:max(bytes.LastIndexByte(at, '/'), 1)]
			continue
		}
		here := len(at)
		if here > 1 {
			at = append(at, '/')
		}
		if at = append(at, name...); len(at) >= unix.PathMax {
			continue // the kernel looks at nothing that long, so it is no link
		}
		next := string(at)
		target, err := os.Readlink(next)
		if err != nil {
			continue
		}
		done, known := r.seen[next]
		switch {
		case known && done == "":
			return join(next, rest), false
		case !known:
			r.seen[next] = ""
			if done, ok = r.resolve(string(at[:here]), target); !ok {
				return join(done, rest), false
			}
			r.seen[next] = done
		}
		at = append(at[:0], done...)
	}
	return string(at), true
}

// join is os.path.join, which forgets dir where rest begins with a slash: of a loop and //x, rootwrap judges /x.
func join(dir, rest string) string {
	if strings.HasPrefix(rest, "/") {
		return rest
	}
	return strings.TrimSuffix(dir, "/") + "/" + rest
}

// Beneath resolves path once by its links, and then asks the kernel for the result below dir with no link at all: what
// comes out has been walked from a descriptor of dir and cannot have left it.
func (m *machine) Beneath(dir, path string) (string, error) {
	if len(path) >= unix.PathMax {
		return "", &fs.PathError{Op: "resolve", Path: path[:64] + "…", Err: unix.ENAMETOOLONG}
	}
	canonical := m.RealPath(path)
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(root)
	rel, ok := strings.CutPrefix(canonical+"/", strings.TrimSuffix(dir, "/")+"/")
	if !ok {
		return "", &fs.PathError{Op: "resolve", Path: path, Err: errors.New("is " + canonical)}
	}
	return canonical, beneath(root, strings.Trim(rel, "/"), path)
}

// Open walks from dir again, and no link may have come into the way since. A file or a folder is what a rule means: a FIFO
// that the client has put there would have root's command wait for him, and a device is none of what DIR holds.
func (m *machine) Open(dir, path string) (filters.Held, error) {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(root)
	rel := strings.Trim(strings.TrimPrefix(path, dir), "/")
	if rel == "" {
		rel = "."
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(root, rel, &how)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	held := os.NewFile(uintptr(fd), path)
	st, err := held.Stat()
	if err == nil && !st.Mode().IsRegular() && !st.IsDir() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("is neither a regular file nor a folder")}
	}
	if err != nil {
		held.Close()
		return nil, err
	}
	return held, nil
}

// beneath opens rel below the folder, or the longest part of it that exists. The rest then names nothing yet; it holds
// neither links nor dots, since it is resolved already.
func beneath(root int, rel, path string) error {
	for rel != "" {
		how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
		fd, err := unix.Openat2(root, rel, &how)
		if err == nil {
			return unix.Close(fd)
		}
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		if err != unix.ENOENT {
			return &fs.PathError{Op: "open", Path: path, Err: err}
		}
		rel = strings.TrimSuffix(rel[:strings.LastIndexByte(rel, '/')+1], "/")
	}
	return nil
}
