package confine

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"
)

// LookupUser returns the ids of a local user: uid and gid from /etc/passwd, and as Groups the gid and every group of
// /etc/group that lists the name, as initgroups(3) does. No other name service is asked: a static binary cannot load
// glibc's modules for LDAP or sssd, and a root helper should not. A user whom the file does not list is an error that
// says so; take numeric ids for it.
func LookupUser(name string) (User, error) {
	passwd, err := os.Open(passwdFile)
	if err != nil {
		return User{}, fmt.Errorf("look up user %q: %w", name, err)
	}
	defer passwd.Close()
	group, err := os.Open(groupFile)
	if err != nil {
		return User{}, fmt.Errorf("look up user %q: %w", name, err)
	}
	defer group.Close()
	return lookupUser(name, passwd, group)
}

func lookupUser(name string, passwd, group io.Reader) (User, error) {
	user, err := findUser(name, passwd)
	if err != nil {
		return User{}, fmt.Errorf("look up user %q: %s: %w", name, passwdFile, err)
	}
	user.Groups, err = findGroups(name, user.GID, group)
	if err != nil {
		return User{}, fmt.Errorf("look up user %q: %s: %w", name, groupFile, err)
	}
	return user, user.check()
}

// findUser reads name:password:uid:gid:comment:home:shell. The first line of a name counts, as for getpwnam(3).
func findUser(name string, passwd io.Reader) (User, error) {
	lines := bufio.NewScanner(passwd)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), ":")
		if name == "" || fields[0] != name {
			continue
		}
		if len(fields) != 7 {
			return User{}, fmt.Errorf("line %d has %d fields instead of 7", n, len(fields))
		}
		uid, err := parseID(fields[2])
		if err != nil {
			return User{}, fmt.Errorf("line %d: uid %w", n, err)
		}
		gid, err := parseID(fields[3])
		if err != nil {
			return User{}, fmt.Errorf("line %d: gid %w", n, err)
		}
		return User{UID: uid, GID: gid}, nil
	}
	if err := lines.Err(); err != nil {
		return User{}, err
	}
	return User{}, fmt.Errorf("no such user there; only local users are looked up (no LDAP, no sssd): name a local one or numeric ids")
}

// findGroups reads name:password:gid:member,member. Lines that do not list the user are not judged.
func findGroups(name string, gid uint32, group io.Reader) ([]uint32, error) {
	groups := []uint32{gid}
	lines := bufio.NewScanner(group)
	lines.Buffer(nil, 1<<20) // a group may list thousands of members
	for n := 1; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) != 4 || !slices.Contains(strings.Split(fields[3], ","), name) {
			continue
		}
		gid, err := parseID(fields[2])
		if err != nil {
			return nil, fmt.Errorf("line %d: gid %w", n, err)
		}
		if !slices.Contains(groups, gid) {
			groups = append(groups, gid)
		}
	}
	return groups, lines.Err()
}

// parseID takes decimal digits only: ParseUint refuses signs, spaces and underscores in base 10.
func parseID(s string) (uint32, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil || id == noID {
		return 0, fmt.Errorf("%q is no id between 0 and 4294967294", s)
	}
	return uint32(id), nil
}
