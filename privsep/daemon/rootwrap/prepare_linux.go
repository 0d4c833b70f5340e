package rootwrap

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
)

// Umask is that of every command whose rule says no other: what it makes can be read, as with rootwrap under init, and
// written by its owner.
const Umask = 0o022

// Prepared is a command that lacks its streams and its start: what a verdict, with all that its rule's section says, comes
// to on this machine. The daemon starts it, from a thread that was confined once for its kind; `run` confines itself the
// same way and becomes it. It is to be closed.
type Prepared struct {
	Account      host.Account
	Capabilities privsep.Capabilities // what the command gets
	Command      spawn.Command
	Input        *os.File // standard input, where the rule says what it is
	RuleEnv      []string // what of the environment the rule says

	thread  thread
	places  places
	numbers []filters.File // where in Argv the numbers of Command.Files stand
}

// A thread is what the threads have in common from which the commands of a kind are forked.
type thread struct {
	drop       bool // the bounding set is lowered to bounding
	bounding   privsep.Capabilities
	noNewPrivs bool
	hasUmask   bool
	umask      uint32
	nice       int
	sandbox    string // the paths that a sandbox is made of
}

// A Preparer makes commands of verdicts. It may be used by many goroutines.
type Preparer struct {
	Loaded *host.Loaded
	// Bounding is the most that a command may have: the configuration's `capabilities`, or without them what the helper was
	// started with.
	Bounding privsep.Capabilities
	// NoSetgroups says that this user namespace lets nobody change groups. There is nobody in it but its root, whose
	// commands keep the helper's.
	NoSetgroups bool

	digests digests
}

// Prepare makes of a verdict that matches what is to be started.
func (m *Preparer) Prepare(v filters.Verdict) (_ *Prepared, err error) {
	p, loaded := &Prepared{}, m.Loaded
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if p.Account, err = loaded.AccountOf(v.Rule); err != nil {
		return p, fmt.Errorf("rule %s: run_as: %w", v.Rule.Name, err)
	}
	s := v.Rule.Section
	m.privileges(p, s)
	p.thread.noNewPrivs, p.thread.nice = s.NoNewPrivileges, s.Nice
	if p.thread.hasUmask, p.thread.umask = s.HasUmask, s.Umask; !s.HasUmask {
		p.thread.hasUmask, p.thread.umask = true, Umask
	}
	c := &p.Command
	p.RuleEnv = v.Env
	c.Path, c.Argv, c.Env, c.Dir = v.Path, slices.Clone(v.Argv), Environment(p.Account, v.Env), v.Dir
	c.NewNetwork, c.Credential = s.NoNetwork, m.credential(p.Account)
	for _, l := range s.Limits {
		c.Limits = append(c.Limits, spawn.Limit{Resource: resources[l.Resource], Soft: l.Soft, Hard: l.Hard})
	}
	if err := p.hold(v); err != nil {
		return p, err
	}
	if len(s.SHA256) > 0 {
		if c.Program, err = m.digests.open(v.Path, s.SHA256); err != nil {
			return p, fmt.Errorf("rule %s: %w", v.Rule.Name, err)
		}
	}
	if s.Sandboxed() {
		if p.places, err = openPlaces(s, v.Path); err != nil {
			return p, fmt.Errorf("rule %s: %w", v.Rule.Name, err)
		}
		p.thread.sandbox = p.places.names()
	}
	return p, nil
}

// Capabilities is the set of such names.
func Capabilities(names []string) (privsep.Capabilities, error) {
	return privsep.ParseCapabilities(strings.Join(names, ","))
}

// privileges are the bounding set, and for another uid than 0, which gets nothing of that, the ambient set.
func (m *Preparer) privileges(p *Prepared, s *filters.Section) {
	root, limited := p.Account.UID == 0, m.Loaded.Config.HasCapabilities
	switch {
	case s.HasCapabilities:
		set, _ := Capabilities(s.Capabilities) // the policy's parser knows the same names
		p.thread.drop, p.thread.bounding, p.Capabilities = true, set, set
		if !root {
			for _, c := range set.List() {
				p.Command.AmbientCaps = append(p.Command.AmbientCaps, uintptr(c))
			}
		}
	case root:
		p.thread.drop, p.Capabilities = limited, m.Bounding
		if limited {
			p.thread.bounding = m.Bounding
		}
	default:
		// No capability, and an empty bounding set: a setuid program gives none either. It does give uid 0, which owns files:
		// no_new_privs, which forbids that, is for a rule to ask for.
		p.thread.drop = limited
	}
}

// hold takes over what the verdict holds open: each file becomes a descriptor of the command, which its argument names.
func (p *Prepared) hold(v filters.Verdict) error {
	p.numbers = v.Files
	for _, f := range v.Files {
		fd, err := unix.FcntlInt(f.Held.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return os.NewSyscallError("fcntl", err)
		}
		p.Command.Files = append(p.Command.Files, os.NewFile(uintptr(fd), "argument "+strconv.Itoa(f.Arg)))
	}
	p.number(func(i int) int { return 3 + i })
	if v.Stdin == "" {
		return nil
	}
	in, err := OpenRegular(v.Stdin)
	if err != nil {
		return &privsep.CallError{Code: privsep.CodeFailed, Errno: syscall.EACCES, Outcome: privsep.Answered,
			Message: "the file that rule " + v.Rule.Name + " allows to read cannot be opened"}
	}
	p.Input = in
	return nil
}

// number writes into the arguments which descriptor each file is to the command.
func (p *Prepared) number(of func(i int) int) {
	for i, f := range p.numbers {
		p.Command.Argv[f.Arg] = p.Command.Argv[f.Arg][:f.Offset] + "/proc/self/fd/" + strconv.Itoa(of(i))
	}
}

// Here makes the command name its files by the numbers that they have in this process, which is to become it (spawn.Exec).
func (p *Prepared) Here() {
	p.number(func(i int) int { return int(p.Command.Files[i].Fd()) })
}

// Close gives back what the command was to get of this process, which its start has copied. Nil has nothing.
func (p *Prepared) Close() {
	if p == nil {
		return
	}
	for _, f := range p.Command.Files {
		f.Close()
	}
	p.Input.Close() // nil is an error that means nothing
	p.Command.Program.Close()
	p.places.close()
}

// Confine makes the calling thread what the command's must be; see confine.ConfineThread.
func (p *Prepared) Confine() error {
	spec := p.thread.spec()
	if p.thread.sandbox != "" {
		s, err := p.places.sandbox()
		if err != nil {
			return err
		}
		defer s.Close()
		spec.Sandbox = s
	}
	return confine.ConfineThread(spec)
}

func (t thread) spec() confine.ThreadSpec {
	return confine.ThreadSpec{DropBounding: t.drop, Bounding: t.bounding, NoNewPrivs: t.noNewPrivs, HasUmask: t.hasUmask, Umask: t.umask, Nice: t.nice}
}

// KeepUmask leaves this process's umask to the command.
func (p *Prepared) KeepUmask() { p.thread.hasUmask, p.thread.umask = false, 0 }

// credential is the command's uid, gid and all its groups.
func (m *Preparer) credential(a host.Account) *syscall.Credential {
	if m.NoSetgroups && a.UID == 0 {
		return nil
	}
	cred := &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)}
	for _, g := range a.Groups {
		cred.Groups = append(cred.Groups, uint32(g))
	}
	return cred
}

// Environment is all that a command gets: a fixed PATH, who it runs as, and what its rule adds, which takes the place of
// these: of a name that stands twice some programs take the first and some the last.
func Environment(a host.Account, rule []string) []string {
	env := []string{"PATH=" + filters.DefaultPath}
	if a.UID != 0 {
		env = append(env, "HOME="+a.Home, "SHELL="+a.Shell)
		if a.Name != "" {
			env = append(env, "USER="+a.Name, "LOGNAME="+a.Name)
		}
	}
	return Override(env, rule)
}

// Override returns env with what more sets in the place of what env sets.
func Override(env, more []string) []string {
	out := slices.Clone(env)
	for _, e := range more {
		name, _, _ := strings.Cut(e, "=")
		at := slices.IndexFunc(out, func(o string) bool { return strings.HasPrefix(o, name+"=") })
		if at < 0 {
			out = append(out, e)
		} else {
			out[at] = e
		}
	}
	return out
}
