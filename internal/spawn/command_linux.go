package spawn

import (
	"os"
	"path/filepath"
	"syscall"
)

// Command says what to start. Nothing of the caller is inherited but what is named here. The zero Command is refused.
type Command struct {
	// Path is the program's absolute path. It is executed as it stands: nothing is looked up in PATH.
	Path string
	// Argv is the whole argument vector, Argv[0] included. An empty one is refused with EINVAL (pkexec, CVE-2021-4034).
	Argv []string
	// Env is the whole environment; nil is an empty one.
	Env []string
	// Dir is the working directory; "" is /.
	Dir string
	// Stdin, Stdout and Stderr become descriptors 0, 1 and 2; nil is /dev/null. They stay the caller's to close, which
	// may be done once Start has returned.
	Stdin, Stdout, Stderr *os.File
	// Files become descriptors 3 and up, in this order. They stay the caller's too.
	Files []*os.File
	// Program, if not nil, is the open file that is executed; Path is then for messages alone. It must be a binary: the
	// interpreter of a script could not open what it was given. The process's name (comm) is a number then.
	Program *os.File
	// Limits are set before the program's first instruction. It has been loaded by then, under this process's own limits: of
	// the stack it got the room that those say.
	Limits []Limit
	// NewNetwork gives the command a network namespace of its own, with nothing in it but an lo that is down. It needs
	// CAP_SYS_ADMIN and costs some 0.4 ms.
	NewNetwork bool
	// Credential is the user, the group and all supplementary groups of the command; nil leaves them as they are. A uid
	// or gid of 2^32-1, which setuid(2) takes for "no change", is refused with EINVAL (sudo, CVE-2019-14287), and so
	// is NoSetGroups (doas, CVE-2019-15901).
	Credential *syscall.Credential
	// AmbientCaps are raised in the command after it took its Credential, by number (capabilities(7)).
	AmbientCaps []uintptr
	// Setsid makes the command the leader of a new session without a terminal. Leave it out only for a command that must
	// keep the caller's: its orphans look like children of os/exec then, unless the group has tags (CAP_SYS_NICE).
	Setsid bool
	// Setctty makes descriptor Ctty of the command, a terminal, the one of its new session. It needs Setsid.
	Setctty bool
	Ctty    int
	// Outlives leaves a command alone when this process dies before it. Close and KillTree end it all the same.
	Outlives bool
}

// noID is -1 as a uid_t.
const noID = 1<<32 - 1

func (c *Command) validate() error {
	fail := func(why string) error { return &StartError{Op: "refused: " + why, Path: c.Path, Err: syscall.EINVAL} }
	switch cr := c.Credential; {
	case !filepath.IsAbs(c.Path):
		return fail("the path is not absolute")
	case len(c.Argv) == 0:
		return fail("the argument vector is empty")
	case c.Dir != "" && !filepath.IsAbs(c.Dir):
		return fail("the working directory is not absolute")
	case cr == nil:
	case cr.Uid == noID || cr.Gid == noID:
		return fail("an id of -1 means no change")
	case cr.NoSetGroups:
		return fail("the caller's groups would be kept")
	}
	return nil
}

// attr is what the fork needs. The descriptors stay valid as long as the caller keeps c and null alive.
func (c *Command) attr(null *os.File) *syscall.ProcAttr {
	files := make([]uintptr, 0, 3+len(c.Files))
	for _, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr} {
		if f == nil {
			f = null
		}
		files = append(files, f.Fd())
	}
	for _, f := range c.Files {
		files = append(files, f.Fd())
	}
	dir := c.Dir
	if dir == "" {
		dir = "/"
	}
	sys := &syscall.SysProcAttr{
		Credential:  c.Credential,
		AmbientCaps: c.AmbientCaps,
		Setsid:      c.Setsid,
		Setctty:     c.Setctty,
		Ctty:        c.Ctty,
		Ptrace:      len(c.Limits) > 0, // it stops when it has been executed
	}
	if !c.Outlives {
		// Sent when the forking *thread* ends, which is why forks happen on a Forker's threads only.
		sys.Pdeathsig = syscall.SIGKILL
	}
	if c.NewNetwork {
		sys.Cloneflags |= syscall.CLONE_NEWNET
	}
	return &syscall.ProcAttr{Dir: dir, Env: c.Env, Files: files, Sys: sys}
}
