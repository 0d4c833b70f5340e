//go:build linux

package trust

import (
	"encoding/binary"
	"errors"
)

// Tags of system.posix_acl_access (linux/posix_acl_xattr.h).
const (
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
)

const aclWrite = 0x02

// An aclEntry is one entry of a POSIX ACL, with the mask applied.
type aclEntry struct {
	tag    uint16
	id     uint32 // of the user or group; only for aclUser and aclGroup
	writes bool
}

// parseACL reads the value of system.posix_acl_access: a version, then entries of tag, permissions and id.
func parseACL(b []byte) ([]aclEntry, error) {
	if len(b) < 4 || len(b)%8 != 4 || binary.LittleEndian.Uint32(b) != 2 {
		return nil, errors.New("its ACL cannot be read")
	}
	var entries []aclEntry
	mask := true
	for b = b[4:]; len(b) > 0; b = b[8:] {
		e := aclEntry{tag: binary.LittleEndian.Uint16(b), id: binary.LittleEndian.Uint32(b[4:])}
		e.writes = binary.LittleEndian.Uint16(b[2:])&aclWrite != 0
		if e.tag == aclMask {
			mask = e.writes
		}
		entries = append(entries, e)
	}
	for i := range entries {
		switch entries[i].tag {
		case aclUser, aclGroupObj, aclGroup:
			entries[i].writes = entries[i].writes && mask
		}
	}
	return entries, nil
}
