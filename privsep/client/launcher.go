package client

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// A Launcher starts the helper's process. The ones below are all there are.
type Launcher interface {
	// launch starts the helper with one end of a socketpair as its standard input and returns the other.
	launch(*logQueue) (*process, *os.File, error)
}

// Prefix starts the helper through a program that gives privileges, as OpenStack's services do with their
// root_helper. Sudo and Doas make the common ones.
type Prefix struct {
	Command []string // for example sudo -n; the first is looked up in PATH
	Path    string   // the helper, absolute
	Args    []string // its arguments
}

// Sudo starts the helper by `sudo -n PATH ARGS`.
func Sudo(path string, args ...string) *Prefix {
	return &Prefix{Command: []string{"sudo", "-n"}, Path: path, Args: args}
}

// Doas starts the helper by `doas -n PATH ARGS`.
func Doas(path string, args ...string) *Prefix {
	return &Prefix{Command: []string{"doas", "-n"}, Path: path, Args: args}
}

// hint says what to write where, so that the helper starts without a password.
func (p *Prefix) hint() string {
	switch filepath.Base(p.Command[0]) {
	case "sudo":
		return fmt.Sprintf("write into /etc/sudoers.d/privhelper:\n\n\t%s ALL=(root) NOPASSWD: %s\n", userName(), line(p.Path, p.Args))
	case "doas":
		hint := fmt.Sprintf("write into /etc/doas.conf:\n\n\tpermit nopass %s as root cmd %s", userName(), p.Path)
		if len(p.Args) > 0 {
			hint += " args " + strings.Join(p.Args, " ")
		}
		return hint + "\n"
	}
	return ""
}

func line(path string, args []string) string {
	return strings.Join(append([]string{path}, args...), " ")
}

// userName is who sudo sees, by number where it has no name.
func userName() string {
	text, _ := os.ReadFile("/etc/passwd")
	for l := range strings.Lines(string(text)) {
		f := strings.Split(l, ":")
		if len(f) > 2 && f[2] == fmt.Sprint(os.Getuid()) {
			return f[0]
		}
	}
	return fmt.Sprintf("#%d", os.Getuid())
}

func (p *Prefix) launch(log *logQueue) (*process, *os.File, error) {
	if len(p.Command) == 0 {
		return nil, nil, errors.New("client: Prefix without a Command")
	}
	argv := append(append([]string{}, p.Command...), p.Path)
	return start(spawnOptions{argv: append(argv, p.Args...), hint: p.hint(), log: log})
}

// Direct starts the helper as the service's own user. For a service that is root still and is about to give root up
// (confine.Become), a starter stays behind as root, from which a helper that died is started again; it is the helper's
// program, takes nothing from the service but sockets and pipes, and ends with it. A Direct belongs to one Client at a time.
type Direct struct {
	Path string   // the helper, absolute
	Args []string // its arguments

	mu      sync.Mutex
	starter *starter
}

func (d *Direct) launch(log *logQueue) (*process, *os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.starter == nil && os.Geteuid() != 0 {
		return start(spawnOptions{argv: append([]string{d.Path}, d.Args...), log: log})
	}
	if d.starter == nil {
		s, err := newStarter(d.Path, d.Args, log)
		if err != nil {
			return nil, nil, err
		}
		d.starter = s
	}
	return d.starter.launch()
}

func (d *Direct) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.starter != nil {
		d.starter.close()
		d.starter = nil
	}
}

// Socket is the connection to a helper that somebody else has started, such as the one that a test runs in its own
// process. The file is the client's from Start on. A helper that died is not started again: later calls fail.
type Socket struct{ File *os.File }

func (s *Socket) launch(log *logQueue) (*process, *os.File, error) {
	file := s.File
	if file == nil {
		return nil, nil, errors.New("the helper on the socket is gone, and nobody here can start another")
	}
	s.File = nil
	return &process{log: log}, file, nil
}
