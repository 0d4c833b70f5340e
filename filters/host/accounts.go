//go:build linux

package host

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/privhelper/privhelper/filters"
)

// maxAccounts bounds /etc/passwd and /etc/group.
const maxAccounts = 16 << 20

// accounts are the lines of /etc/passwd and /etc/group. Other sources of users (LDAP, systemd's dynamic ones) need the C
// library's nsswitch, which the static binary has not.
type accounts struct {
	passwd, groups []byte
}

func readAccounts() (accounts, error) {
	var a accounts
	var err error
	if a.passwd, err = readAccountFile("/etc/passwd"); err != nil {
		return a, err
	}
	a.groups, err = readAccountFile("/etc/group")
	return a, err
}

// readAccountFile reads a file that the whole system already trusts.
func readAccountFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil // a container without users: ids still work
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxAccounts))
}

// A user is a line of /etc/passwd.
type user struct {
	name, home, shell string
	uid, gid          uint32
}

// find returns the first user for which is holds.
func (a *accounts) find(is func(*user) bool) (user, bool) {
	for line := range bytes.Lines(a.passwd) {
		f := strings.Split(strings.TrimRight(string(line), "\n"), ":")
		if len(f) != 7 {
			continue
		}
		uid, uerr := filters.ParseID(f[2])
		gid, gerr := filters.ParseID(f[3])
		u := user{name: f[0], uid: uid, gid: gid, home: f[5], shell: f[6]}
		if uerr == nil && gerr == nil && is(&u) {
			return u, true
		}
	}
	return user{}, false
}

// group returns the gid of a group's name or number.
func (a *accounts) group(name string) (uint32, error) {
	if gid, err := filters.ParseID(name); err == nil {
		return gid, nil
	}
	for line := range bytes.Lines(a.groups) {
		f := strings.Split(strings.TrimRight(string(line), "\n"), ":")
		if len(f) == 4 && f[0] == name {
			return filters.ParseID(f[2])
		}
	}
	return 0, fmt.Errorf("group %q is not in /etc/group, and other sources cannot be asked", name)
}

// member returns the supplementary groups of a user, its own first.
func (a *accounts) member(u *user) []int {
	gids := []int{int(u.gid)}
	for line := range bytes.Lines(a.groups) {
		f := strings.Split(strings.TrimRight(string(line), "\n"), ":")
		if len(f) != 4 || !slices.Contains(strings.Split(f[3], ","), u.name) {
			continue
		}
		if gid, err := filters.ParseID(f[2]); err == nil && !slices.Contains(gids, int(gid)) {
			gids = append(gids, int(gid))
		}
	}
	return gids
}

// Account is whom a command runs as.
type Account struct {
	Name        string // "" for an uid without a name
	UID, GID    int
	Groups      []int // all of them, GID first
	Home, Shell string
}

type lookup struct {
	account Account
	err     error
}

// resolve finds a run_as: a local name, or UID:GID, which brings no other groups.
func (a *accounts) resolve(runAs string) (Account, error) {
	if uid, gid, ok, err := filters.ParseIDs(runAs); err != nil {
		return Account{}, err
	} else if ok {
		acc := Account{UID: int(uid), GID: int(gid), Groups: []int{int(gid)}, Home: "/", Shell: "/bin/sh"}
		if u, ok := a.find(func(u *user) bool { return u.uid == uid }); ok {
			acc.Name, acc.Home, acc.Shell = u.name, u.home, u.shell
		}
		return acc, nil
	}
	u, ok := a.find(func(u *user) bool { return u.name == runAs })
	if !ok {
		if runAs == "root" {
			return Account{Name: "root", Groups: []int{0}, Home: "/root", Shell: "/bin/sh"}, nil
		}
		return Account{}, fmt.Errorf("user %q is not in /etc/passwd, and other sources cannot be asked: write UID:GID", runAs)
	}
	return Account{Name: u.name, UID: int(u.uid), GID: int(u.gid), Groups: a.member(&u), Home: u.home, Shell: u.shell}, nil
}

// lookupUsers resolves the run_as of every rule, since the helper cannot read files later. Strict refuses a policy that
// names an unknown user; in Oslo the command fails when it is run, as it does there.
func (l *Loaded) lookupUsers() error {
	l.users = make(map[string]lookup)
	for _, r := range l.Policy.Rules() {
		if _, known := l.users[r.RunAs]; known {
			continue
		}
		acc, err := l.accounts.resolve(r.RunAs)
		l.users[r.RunAs] = lookup{acc, err}
		if err == nil {
			continue
		}
		if l.Config.Semantics == filters.Strict {
			return &filters.Error{File: r.File, Line: r.Line, Msg: fmt.Sprintf("rule %q: %v", r.Name, err), Deviation: filters.BadLine}
		}
		l.Warnings = append(l.Warnings, filters.Warning{File: r.File, Line: r.Line, Msg: fmt.Sprintf("rule %q: %v", r.Name, err)})
	}
	return nil
}

// LookupUser returns whom a run_as of the policy means. What no rule names is looked for in the files as they were when
// Load read them. It is safe for concurrent use.
func (l *Loaded) LookupUser(runAs string) (Account, error) {
	if u, ok := l.users[runAs]; ok {
		return u.account, u.err
	}
	return l.accounts.resolve(runAs)
}

// LookupGroup returns the gid of a group's name or number, by the files as they were when Load read them.
func (l *Loaded) LookupGroup(name string) (int, error) {
	gid, err := l.accounts.group(name)
	return int(gid), err
}
