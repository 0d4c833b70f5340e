package rootwrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
)

// A kind is what rules share whose commands may be forked from one thread.
type kind struct {
	root bool // the command's uid is 0
}

func kindOf(a host.Account) kind { return kind{root: a.UID == 0} }

// prepare makes of a verdict what is to be started, and from which thread.
func (c *Commands) prepare(v filters.Verdict) (*spawn.Forker, spawn.Command, error) {
	account, err := c.loaded.LookupUser(v.RunAs)
	if err != nil {
		return nil, spawn.Command{}, fmt.Errorf("rule %s: run_as: %w", v.Rule.Name, err)
	}
	if account.UID != 0 && uint32(account.UID) == c.peer.UID {
		return nil, spawn.Command{}, fmt.Errorf("rule %s runs as the client's own user, who could stop the command before it is executed: "+
			"the client can run it itself", v.Rule.Name)
	}
	f, err := c.forker(kindOf(account))
	if err != nil {
		return nil, spawn.Command{}, err
	}
	return f, spawn.Command{Path: v.Path, Argv: v.Argv, Env: Environment(account, v.Env), Setsid: true,
		Credential: c.credential(account)}, nil
}

// credential is the command's uid, gid and all its groups. Where nobody may change groups the command keeps the
// helper's: a user namespace, in which there is nobody but its root.
func (c *Commands) credential(a host.Account) *syscall.Credential {
	if c.noSetgroups && a.UID == 0 {
		return nil
	}
	cred := &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)}
	for _, g := range a.Groups {
		cred.Groups = append(cred.Groups, uint32(g))
	}
	return cred
}

// Environment is all that a command gets: a fixed PATH, who it runs as, and what its rule adds, which wins.
func Environment(a host.Account, rule []string) []string {
	env := []string{"PATH=" + filters.DefaultPath}
	if a.UID != 0 {
		env = append(env, "HOME="+a.Home, "SHELL="+a.Shell)
		if a.Name != "" {
			env = append(env, "USER="+a.Name, "LOGNAME="+a.Name)
		}
	}
	return append(env, rule...)
}

// Umask is that of every command: what it makes can be read, as with rootwrap under init, and written by its
// owner.
const Umask = 0o022

// forker returns the threads of a kind, confined the first time: a command of uid 0 gets at exec exactly its thread's
// bounding set, one of another uid nothing. Its bounding set is empty, so a setuid program gives it no capability either;
// it does give it uid 0, which owns files: no_new_privs, which forbids that, is for a rule to ask for.
func (c *Commands) forker(k kind) (*spawn.Forker, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.kinds[k]; f != nil {
		return f, nil
	}
	spec := confine.ThreadSpec{HasUmask: true, Umask: Umask, DropBounding: c.loaded.Config.HasCapabilities}
	if k.root && spec.DropBounding {
		spec.Bounding = c.bounding
	}
	f, err := spawn.NewForker(func() error { return confine.ConfineThread(spec) })
	if err == nil {
		c.kinds[k] = f
	}
	return f, err
}

// verifyPrograms wait for input that does not come, so that the kernel can be asked what they were given.
var verifyPrograms = []string{"/bin/cat", "/usr/bin/cat"}

// verifyKind starts a child of a kind and compares what the kernel shows of it with what the policy promises.
func (c *Commands) verifyKind(k kind, account host.Account) error {
	f, err := c.forker(k)
	if err != nil {
		return err
	}
	want, bounding := privsep.Capabilities(0), privsep.Capabilities(0)
	if k.root || !c.loaded.Config.HasCapabilities {
		bounding = c.bounding
	}
	if k.root {
		want = bounding
	}
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	defer in.Close()
	var p *spawn.Process
	for _, path := range verifyPrograms {
		p, err = c.group.Start(context.Background(), f, spawn.Command{Path: path, Argv: []string{path}, Stdin: in, Setsid: true, Credential: c.credential(account)})
		if err == nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("no program to verify with: %w", err)
	}
	got, err := confine.ReadStatus(p.Pid, 0)
	if kerr := p.KillTree(); kerr != nil {
		return kerr
	}
	if _, werr := p.Wait(); err != nil || werr != nil {
		return errors.Join(err, werr)
	}
	if got.Permitted != want || got.Effective != want || got.Bounding != bounding || got.Ambient != 0 || got.Inheritable != 0 {
		return fmt.Errorf("a command gets capabilities %q with bounding set %q, the policy promises %q and %q", got.Permitted, got.Bounding, want, bounding)
	}
	uid, gid := uint32(account.UID), uint32(account.GID)
	if got.UID != (confine.IDs{Real: uid, Effective: uid, Saved: uid, FS: uid}) || got.GID != (confine.IDs{Real: gid, Effective: gid, Saved: gid, FS: gid}) {
		return fmt.Errorf("a command gets uid %v and gid %v, the policy promises %d and %d", got.UID, got.GID, uid, gid)
	}
	return nil
}
