package rootwrap

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/privsep/confine"
)

// places are what a sandboxed command may open, held open. They are opened anew for every command, since a place is a file
// and not a name: a package is upgraded, a folder is made again.
type places struct {
	read, write []*os.File
	identity    string // device and inode of all
}

// libraries are where programs find what they are made of. What a system does not have is left out.
var libraries = []string{"/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/local/lib",
	"/etc/ld.so.cache", "/etc/ld.so.preload", "/dev/urandom"}

// openPlaces opens the places of a rule and those that the program itself needs. A place that does not exist is none: what
// is made there later is in the sandbox of the next command.
func openPlaces(s *filters.Section, program string) (p places, err error) {
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	for _, list := range []struct {
		to    *[]*os.File
		paths []string
	}{{&p.read, s.Read}, {&p.write, s.Write}} {
		for _, path := range list.paths {
			// No link on the way: the policy was judged by what the path says.
			how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
			fd, err := unix.Openat2(unix.AT_FDCWD, path, &how)
			if errors.Is(err, unix.ENOENT) {
				continue
			} else if err != nil {
				return p, fmt.Errorf("its place %w", &os.PathError{Op: "open", Path: path, Err: err})
			}
			*list.to = append(*list.to, os.NewFile(uintptr(fd), path))
		}
	}
	own, err := programFiles(program)
	if err != nil {
		return p, err
	}
	for _, path := range append(own, libraries...) {
		if err := add(&p.read, path); err != nil {
			return p, err
		}
	}
	if err := add(&p.write, os.DevNull); err != nil {
		return p, err
	}
	p.identity, err = identify(append(p.read, p.write...))
	return p, err
}

func add(to *[]*os.File, path string) error {
	f, err := os.OpenFile(path, unix.O_PATH, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	*to = append(*to, f)
	return nil
}

func identify(files []*os.File) (string, error) {
	var b strings.Builder
	for _, f := range files {
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			return "", os.NewSyscallError("fstat", err)
		}
		fmt.Fprintf(&b, "%x:%x ", st.Dev, st.Ino)
	}
	return b.String(), nil
}

// names tells kinds of sandboxes apart, by paths.
func (p places) names() string {
	var b strings.Builder
	for _, list := range [][]*os.File{p.read, p.write} {
		for _, f := range list {
			b.WriteString(f.Name() + "\x00")
		}
		b.WriteByte(0)
	}
	return b.String()
}

func (p places) sandbox() (*confine.Sandbox, error) { return confine.NewSandbox(p.read, p.write) }

func (p places) close() {
	for _, list := range [][]*os.File{p.read, p.write} {
		for _, f := range list {
			f.Close()
		}
	}
}
