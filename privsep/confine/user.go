package confine

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
)

// User is whom a process becomes: its real, effective, saved and file system uid and gid, and exactly these
// supplementary groups. The zero value is root with no supplementary group.
type User struct {
	UID, GID uint32
	Groups   []uint32
}

// maxGroups is NGROUPS_MAX of Linux.
const maxGroups = 65536

// noID is -1 as the kernel reads it: "leave this id as it is". sudo -u#-1 ran commands as root by it (CVE-2019-14287).
const noID = math.MaxUint32

func (u User) check() error {
	if u.UID == noID {
		return errors.New("uid 4294967295 is -1, which leaves the uid as it is: name another")
	}
	if u.GID == noID || slices.Contains(u.Groups, noID) {
		return errors.New("gid 4294967295 is -1, which leaves the gid as it is: name another")
	}
	if len(u.Groups) > maxGroups {
		return fmt.Errorf("%d supplementary groups: the kernel takes at most %d", len(u.Groups), maxGroups)
	}
	return nil
}

// sameGroups compares as the kernel does, without order and duplicates.
func sameGroups(a, b []uint32) bool {
	return slices.Equal(sortedGroups(a), sortedGroups(b))
}

func sortedGroups(groups []uint32) []uint32 {
	sorted := slices.Clone(groups)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] }) // slices.Sort would be compiled once more, for uint32
	return slices.Compact(sorted)
}
