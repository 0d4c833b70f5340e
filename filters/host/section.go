//go:build linux

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/internal/trust"
	"github.com/privhelper/privhelper/privsep/confine"
)

// checkSections resolves what rules' sections name, since the helper cannot read files later, and refuses what cannot hold
// on this machine: in both semantics, for a section narrows its rule, and what narrows must never be ignored.
func (l *Loaded) checkSections(rules trust.Rules) error {
	l.clients = make(map[string]uint32)
	for _, r := range l.Policy.Rules() {
		if len(r.Section.Items) == 0 {
			continue
		}
		for _, check := range []func(*filters.Rule, trust.Rules) error{l.checkGroups, l.checkClients, l.checkLock, l.checkFence, l.checkPlaces, l.checkProgram} {
			if err := check(r, rules); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Loaded) checkGroups(r *filters.Rule, _ trust.Rules) error {
	if r.Section.Group != "" {
		if _, err := l.accounts.group(r.Section.Group); err != nil {
			return r.Fault("group", err)
		}
	}
	for _, g := range r.Section.Groups {
		if _, err := l.accounts.group(g); err != nil {
			return r.Fault("groups", err)
		}
	}
	return nil
}

// checkClients resolves the users and @groups of `clients`, each under the name that it has there.
func (l *Loaded) checkClients(r *filters.Rule, _ trust.Rules) error {
	for _, who := range r.Section.Clients {
		id, err := l.accounts.client(who)
		if err != nil {
			return r.Fault("clients", err)
		}
		l.clients[who] = id
	}
	return nil
}

func (a *accounts) client(who string) (uint32, error) {
	if group, ok := strings.CutPrefix(who, "@"); ok {
		return a.group(group)
	}
	if uid, err := filters.ParseID(who); err == nil {
		return uid, nil
	}
	u, ok := a.find(func(u *user) bool { return u.name == who })
	if !ok && who != "root" {
		return 0, fmt.Errorf("user %q is not in /etc/passwd, and other sources cannot be asked: write its number", who)
	}
	return u.uid, nil
}

// checkLock judges the folder of locks. One that does not exist is made when the helper starts.
func (l *Loaded) checkLock(r *filters.Rule, rules trust.Rules) error {
	if len(r.Section.Locks) == 0 {
		return nil
	}
	fail := func(why string) error {
		cfg := l.Config
		return &filters.Error{File: cfg.File, Line: cfg.Lines["lock_path"], Value: true, Msg: "lock_path: " + why}
	}
	dir, err := trust.OpenDir(l.Config.LockPath, rules)
	switch {
	case err == nil:
		return dir.Close()
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case l.Config.LockPathShared:
		if st, serr := os.Stat(l.Config.LockPath); serr != nil || !st.IsDir() {
			return fail(fmt.Sprintf("%s is no folder", l.Config.LockPath))
		}
		return nil
	}
	return fail(fmt.Sprintf("%v: whoever may write the folder can let a second holder in; write lock_path_shared = yes if that is meant", err))
}

// checkFence judges the folder of fences, or where it does not exist the one above it. Who writes a number there lets an
// old holder in, or keeps all out: it must be root's, or the helper's own.
func (l *Loaded) checkFence(r *filters.Rule, rules trust.Rules) error {
	if r.Section.Fence == "" {
		return nil
	}
	if account, err := l.LookupUser(l.Config.User); err == nil && l.Config.User != "" {
		rules.Owners = append(slices.Clip(rules.Owners), uint32(account.UID))
	}
	path := l.Config.FencePath
	for {
		dir, err := trust.OpenDir(path, rules)
		switch {
		case err == nil:
			return dir.Close()
		case !errors.Is(err, fs.ErrNotExist):
			return &filters.Error{File: l.Config.File, Line: l.Config.Lines["fence_path"], Value: true, Msg: "fence_path: " + err.Error()}
		}
		path = filepath.Dir(path)
	}
}

// checkPlaces refuses a sandbox that this kernel cannot make or that means another place than it says.
func (l *Loaded) checkPlaces(r *filters.Rule, _ trust.Rules) error {
	if !r.Section.Sandboxed() {
		return nil
	}
	key := "read"
	if len(r.Section.Read) == 0 {
		key = "write"
	}
	if account, err := l.LookupUser(r.RunAs); err == nil && account.UID == 0 {
		return r.Fault(key, fmt.Errorf("it needs a run_as other than root, and %s is uid 0", r.RunAs))
	}
	if err := confine.SandboxSupport(); err != nil {
		return r.Fault(key, err)
	}
	for _, list := range []struct {
		key   string
		paths []string
	}{{"read", r.Section.Read}, {"write", r.Section.Write}} {
		for _, path := range list.paths {
			canonical, err := filepath.EvalSymlinks(path)
			if err == nil && canonical != path {
				return r.Fault(list.key, fmt.Errorf("%s leads through a link: write %s", path, canonical))
			}
		}
	}
	return nil
}

// checkProgram refuses a digest of a script, whose interpreter would open whatever stands at its path by then. A program
// that is not there, or is another, is refused when it is to run: a package may be upgraded while the helper runs.
func (l *Loaded) checkProgram(r *filters.Rule, _ trust.Rules) error {
	if r.Section.SHA256 == nil {
		return nil
	}
	dirs := l.Config.ExecDirs
	if filepath.IsAbs(r.Exec) {
		dirs = []string{""}
	}
	for _, dir := range dirs {
		f, err := os.Open(filepath.Join(dir, r.Exec))
		if err != nil {
			continue
		}
		head := make([]byte, 2)
		n, _ := f.Read(head)
		f.Close()
		if string(head[:n]) == "#!" {
			return r.Fault("sha256", fmt.Errorf("%s is a script, of which only the interpreter could be held to a digest", f.Name()))
		}
		return nil
	}
	return nil
}

// AccountOf returns whom the commands of a rule run as: its run_as, with the group and the groups of its own section. The
// error is that of LookupUser.
func (l *Loaded) AccountOf(r *filters.Rule) (Account, error) {
	account, err := l.LookupUser(r.RunAs)
	s := r.Section
	if err != nil || s.Group == "" && !s.HasGroups {
		return account, err
	}
	if s.Group != "" {
		gid, err := l.LookupGroup(s.Group)
		if err != nil {
			return Account{}, err
		}
		others := slices.DeleteFunc(slices.Clone(account.Groups), func(g int) bool { return g == gid || g == account.GID })
		account.GID, account.Groups = gid, append([]int{gid}, others...)
	}
	if !s.HasGroups {
		return account, nil
	}
	account.Groups = nil
	for _, name := range s.Groups {
		gid, err := l.LookupGroup(name)
		if err != nil {
			return Account{}, err
		}
		account.Groups = append(account.Groups, gid)
	}
	return account, nil
}

// client is one who asks.
type client struct {
	loaded *Loaded
	uid    uint32
	gids   []uint32
}

// Client returns who asks: a user with all its groups, as the kernel says (SO_PEERGROUPS); nil is those of /etc/group, as
// it was when Load read it, for a client of whom the kernel says it no more.
func (l *Loaded) Client(uid uint32, gids []uint32) filters.Client {
	if gids == nil {
		if u, ok := l.accounts.find(func(u *user) bool { return u.uid == uid }); ok {
			for _, g := range l.accounts.member(&u) {
				gids = append(gids, uint32(g))
			}
		}
	}
	return client{l, uid, gids}
}

// Is reports whether who, which stands in some rule's `clients`, is the client.
func (c client) Is(who string) bool {
	id, known := c.loaded.clients[who]
	if !known {
		return false
	}
	if strings.HasPrefix(who, "@") {
		return slices.Contains(c.gids, id)
	}
	return id == c.uid
}
