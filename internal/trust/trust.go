//go:build linux

// Package trust opens files that root is about to obey, and only if nobody else can have written them.
//
// It is linked by the root helper, and by a launcher that starts a helper without being root. What is checked is what
// is opened: every component of a path is opened from the descriptor of the folder before it, links are followed by
// hand, and owner, mode and ACL are read from the descriptor.
//
//	f, err := trust.Open("/etc/privhelper/privhelper.conf", trust.Rules{})
//	// /etc/privhelper is writable by group adm: run chmod g-w /etc/privhelper, or name the group in trusted_groups
//
// A read-only mount proves nothing, and is not asked for.
package trust

import (
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
)

// Rules say whom a file may belong to. The zero value is the strictest: root owns everything, and nobody else may
// write.
type Rules struct {
	// Owners are uids that may own, and so write, beside root: the caller of an unprivileged launcher, itself.
	Owners []uint32
	// Groups are gids that may write: trusted_groups.
	Groups []uint32
	// Handed are files that the launcher has opened (O_PATH is enough) and checked by its own Rules. In a user
	// namespace, where the files of root and of everybody else show one owner, only these are trusted.
	Handed []*os.File
	// Untrusted leaves owners, modes and ACLs out, for the author of a policy who is not root. Nothing that runs a
	// command may set it.
	Untrusted bool
}

// An Error is why a file is not trusted. Path may be a folder or a link on the way to the file that was asked for.
type Error struct {
	Path   string
	Reason string // "is writable by group adm"
	Advice string // what to do
}

// Error returns path, reason and advice.
func (e *Error) Error() string {
	if e.Advice == "" {
		return e.Path + " " + e.Reason
	}
	return fmt.Sprintf("%s %s: %s", e.Path, e.Reason, e.Advice)
}

// A purpose is what a file is opened for.
type purpose uint8

const (
	forPolicy purpose = iota
	forExecuting
)

// meta is what the judge must know of an open file.
type meta struct {
	uid, gid uint32
	mode     uint32 // permission bits, with the sticky one
	folder   bool
	link     bool
	acl      []aclEntry // only read where the mode lets a group write
}

// sticky is S_ISVTX: only its owner may remove or rename an entry of the folder.
const sticky = 0o1000

// judge returns why something at path may be changed by somebody the rules do not name.
func (r *Rules) judge(path string, m *meta) *Error {
	if m.uid != 0 && !slices.Contains(r.Owners, m.uid) {
		return &Error{path, "belongs to " + userName(m.uid), "run chown root " + path}
	}
	if m.link {
		return nil // the mode of a link means nothing; who may replace it is the folder's matter
	}
	if m.mode&0o002 != 0 {
		return &Error{path, "is writable by everybody", "run chmod o-w " + path}
	}
	if m.mode&0o020 == 0 {
		return nil // with an ACL these bits are its mask: no entry of it can write either
	}
	if len(m.acl) == 0 {
		return r.judgeGroup(path, m.gid)
	}
	for _, e := range m.acl {
		switch {
		case !e.writes:
		case e.tag == aclGroupObj:
			if err := r.judgeGroup(path, m.gid); err != nil {
				return err
			}
		case e.tag == aclGroup:
			if err := r.judgeGroup(path, e.id); err != nil {
				return err
			}
		case e.tag == aclUser && e.id != 0 && !slices.Contains(r.Owners, e.id):
			return &Error{path, "is writable by " + userName(e.id) + " (ACL)", "run setfacl -b " + path}
		}
	}
	return nil
}

func (r *Rules) judgeGroup(path string, gid uint32) *Error {
	if slices.Contains(r.Groups, gid) {
		return nil
	}
	return &Error{path, "is writable by group " + groupName(gid), "run chmod g-w " + path + ", or name the group in trusted_groups"}
}

func userName(uid uint32) string {
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		return "user " + u.Username
	}
	return fmt.Sprintf("uid %d", uid)
}

func groupName(gid uint32) string {
	if g, err := user.LookupGroupId(strconv.FormatUint(uint64(gid), 10)); err == nil {
		return g.Name
	}
	return strconv.FormatUint(uint64(gid), 10)
}
