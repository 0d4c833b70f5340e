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
	// Handed are files that the launcher has opened (O_PATH is enough) and checked by its own Rules, with Pin. They
	// count in a user namespace alone, where the files of root and of everybody else whom it does not map show one
	// owner: such a file is trusted only if it is one of these, by device and inode, and no folder vouches for what is
	// in it.
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
	Err    error  // the kernel's, where it is the cause: of a link that leads nowhere
}

// Unwrap returns the kernel's error: a link that leads nowhere satisfies errors.Is(err, fs.ErrNotExist).
func (e *Error) Unwrap() error { return e.Err }

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
	anybody  bool       // in a user namespace: the uid is the one that all show whom it does not map
	anygroup bool       // the same of the gid
	acl      []aclEntry // only read where the mode lets a group write
}

// sticky is S_ISVTX: only its owner may remove or rename an entry of the folder.
const sticky = 0o1000

// judge returns why something at path may be changed by somebody the rules do not name.
func (r *Rules) judge(path string, m *meta) *Error {
	if m.anybody {
		return untold(path)
	}
	if m.uid != 0 && !slices.Contains(r.Owners, m.uid) {
		return &Error{Path: path, Reason: "belongs to " + userName(m.uid), Advice: "run chown root " + path}
	}
	if m.link {
		return nil // the mode of a link means nothing; who may replace it is the folder's matter
	}
	if m.mode&0o002 != 0 {
		return &Error{Path: path, Reason: "is writable by everybody", Advice: "run chmod o-w " + path}
	}
	if m.mode&0o020 == 0 {
		return nil // with an ACL these bits are its mask: no entry of it can write either
	}
	if len(m.acl) == 0 {
		return r.judgeGroup(path, m.gid, m.anygroup)
	}
	for _, e := range m.acl {
		switch {
		case !e.writes:
		case e.tag == aclGroupObj:
			if err := r.judgeGroup(path, m.gid, m.anygroup); err != nil {
				return err
			}
		case e.tag == aclGroup:
			if err := r.judgeGroup(path, e.id, false); err != nil {
				return err
			}
		case e.tag == aclUser && e.id != 0 && !slices.Contains(r.Owners, e.id):
			return &Error{Path: path, Reason: "is writable by " + userName(e.id) + " (ACL)", Advice: "run setfacl -b " + path}
		}
	}
	return nil
}

func (r *Rules) judgeGroup(path string, gid uint32, any bool) *Error {
	if slices.Contains(r.Groups, gid) && !any {
		return nil
	}
	return &Error{Path: path, Reason: "is writable by group " + groupName(gid),
		Advice: "run chmod g-w " + path + ", or name the group in trusted_groups"}
}

// untold is the error for what only a launcher outside of the user namespace could have judged.
func untold(path string) *Error {
	return &Error{Path: path, Reason: "was not handed in by the launcher, and its owner cannot be told inside a user namespace",
		Advice: "name it in the launcher's Trusted"}
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
