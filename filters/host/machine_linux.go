package host

import (
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
	return filepath.Clean(resolved)
}

// A resolver resolves links in a path as far as it exists.
type resolver struct {
	seen  map[string]string // links, and what they came to; "" while one is being resolved
	depth int
}

// maxResolve bounds the recursion into links of links; Python's own limit is about a thousand.
const maxResolve = 200

// resolve goes from dir along rest. ok is false where a loop of links ended it; what is left is then kept as it stands.
func (r *resolver) resolve(dir, rest string) (path string, ok bool) {
	if r.depth++; r.depth > maxResolve {
		return filepath.Join(dir, rest), false
	}
	defer func() { r.depth-- }()
	if strings.HasPrefix(rest, "/") {
		dir = "/"
	}
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		switch name {
		case "", ".":
			continue
		case "..":
			dir = filepath.Dir(dir)
			continue
		}
		next := strings.TrimSuffix(dir, "/") + "/" + name
		target, err := os.Readlink(next)
		if err != nil {
			dir = next
			continue
		}
		if done, known := r.seen[next]; known {
			if done == "" {
				return next + "/" + rest, false
			}
			dir = done
			continue
		}
		r.seen[next] = ""
		if dir, ok = r.resolve(dir, target); !ok {
			return dir + "/" + rest, false
		}
		r.seen[next] = dir
	}
	return dir, true
}

// Beneath resolves path once by its links, and then asks the kernel for the result below dir with no link at all: what
// comes out has been walked from a descriptor of dir and cannot have left it.
func (m *machine) Beneath(dir, path string) (string, error) {
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
