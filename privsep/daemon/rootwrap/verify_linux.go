package rootwrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
)

// A sample is what rules share of which one child is started to see what it gets.
type sample struct {
	thread       thread
	capabilities privsep.Capabilities
	root         bool
	limited      bool
	network      bool
}

// endTime is how long cat may take to heed SIGTERM on a machine under load.
const endTime = time.Second

// verifyProgram waits for input that does not come, so that the kernel can be asked what it was given.
var verifyPrograms = []string{"/bin/cat", "/usr/bin/cat"}

// verify makes the threads of each kind of rule and, if prove, starts a child of each and compares what the kernel shows of it
// with what the policy promises. A sandbox is made with the first command in it.
func (c *Commands) verify(prove bool) error {
	path := verifyPrograms[0]
	for _, p := range verifyPrograms {
		if _, err := os.Stat(p); err == nil {
			path = p
			break
		}
	}
	seen, bare := map[sample]bool{}, map[string]bool{}
	for _, r := range c.loaded.Policy.Rules() {
		if _, err := c.loaded.AccountOf(r); err != nil || bare[r.RunAs] && len(r.Section.Items) == 0 {
			continue // in Oslo: the command fails when it is run; or the next of many alike
		}
		bare[r.RunAs] = bare[r.RunAs] || len(r.Section.Items) == 0
		like := *r
		section := *r.Section // the policy keeps its own
		section.SHA256 = nil  // it is of another program
		like.Section = &section
		p, err := c.prepare.Prepare(filters.Verdict{Outcome: filters.Match, Rule: &like, RunAs: r.RunAs, Path: path, Argv: []string{path}})
		if err == nil {
			s := sample{p.thread, p.Capabilities, p.Account.UID == 0, len(p.Command.Limits) > 0, p.Command.NewNetwork}
			if !seen[s] {
				seen[s] = true
				if prove {
					err = c.verifyKind(p)
				} else if p.thread.sandbox == "" {
					_, err = c.kinds.forker(p)
				}
			}
		}
		p.Close()
		if err != nil {
			return fmt.Errorf("commands of rule %s, which run as %s: %w", r.Name, r.RunAs, err)
		}
	}
	return nil
}

func (c *Commands) verifyKind(p *Prepared) error {
	f, retire, err := c.sampleForker(p)
	if err != nil {
		return err
	}
	defer retire()
	limits := p.Command.Limits
	p.Command.Limits = nil // they may well be too low for cat
	got, err := c.child(f, p)
	if err != nil {
		return err
	}
	if limits != nil {
		p.Command.Limits = limits
		if _, err := c.child(f, p); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	want, bounding, ambient := p.Capabilities, p.thread.bounding, privsep.Capabilities(0)
	if !p.thread.drop {
		bounding = c.bounding
	}
	if p.Account.UID != 0 {
		ambient = want
	}
	if got.Permitted != want || got.Effective != want || got.Bounding != bounding || got.Ambient != ambient || got.Inheritable != ambient {
		return fmt.Errorf("a command gets capabilities %q (ambient %q) with bounding set %q, the policy promises %q and %q",
			got.Permitted, got.Ambient, got.Bounding, want, bounding)
	}
	uid, gid := uint32(p.Account.UID), uint32(p.Account.GID)
	if got.UID != (confine.IDs{Real: uid, Effective: uid, Saved: uid, FS: uid}) || got.GID != (confine.IDs{Real: gid, Effective: gid, Saved: gid, FS: gid}) {
		return fmt.Errorf("a command gets uid %v and gid %v, the policy promises %d and %d", got.UID, got.GID, uid, gid)
	}
	if p.thread.noNewPrivs && !got.NoNewPrivs {
		return errors.New("a command has no no_new_privs")
	}
	return nil
}

// sampleForker returns threads for p. A sandbox is made for cat, and no command will run in it.
func (c *Commands) sampleForker(p *Prepared) (f *spawn.Forker, retire func(), err error) {
	if p.thread.sandbox == "" {
		f, err = c.kinds.forker(p)
		return f, func() {}, err
	}
	made, err := newForks(p)
	if err != nil {
		return nil, nil, err
	}
	return made.forker, made.retire, nil
}

// child starts p, asks the kernel what it is, and ends it.
func (c *Commands) child(f *spawn.Forker, p *Prepared) (got confine.Status, err error) {
	in, out, err := os.Pipe()
	if err != nil {
		return got, err
	}
	defer out.Close()
	defer in.Close()
	cmd := p.Command
	cmd.Stdin, cmd.Dir, cmd.Setsid = in, "", true
	child, err := c.group.Start(context.Background(), f, cmd)
	if err != nil {
		return got, err
	}
	got, err = confine.ReadStatus(child.Pid, 0)
	return got, errors.Join(err, end(child))
}

// end ends a child that starts no others. KillTree would wait for the kernel to say that its cgroup is empty, which it says at
// most once in 10 ms (cgroup_file_notify): most of what a helper's start took. That child's folder is then the first command's.
func end(child *spawn.Process) error {
	if err := child.Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-child.Done():
		return nil
	case <-time.After(endTime):
		return child.KillTree()
	}
}
