package confine

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/privhelper/privhelper/privsep"
)

// Describe says in one line, for humans, who a thread is:
//
//	pid 4242, uid 998, gid 998, no supplementary groups, capabilities CAP_NET_ADMIN, bounding set CAP_NET_ADMIN, no_new_privs yes
//
// Ids that are not all the same, inheritable and ambient capabilities, and groups that cannot be dropped are added
// where there are such. A set of more than half of the capabilities is said by what it lacks.
func Describe(s Status) string {
	parts := []string{"pid " + strconv.Itoa(s.PID)}
	if s.TID != s.PID {
		parts = append(parts, "thread "+strconv.Itoa(s.TID))
	}
	parts = append(parts, describeIDs("uid", s.UID), describeIDs("gid", s.GID), describeGroups(s))
	if s.Permitted == s.Effective {
		parts = append(parts, "capabilities "+describeSet(s.Effective))
	} else {
		parts = append(parts, "capabilities in effect "+describeSet(s.Effective), "permitted "+describeSet(s.Permitted))
	}
	if s.Inheritable != 0 {
		parts = append(parts, "inheritable "+describeSet(s.Inheritable))
	}
	if s.Ambient != 0 {
		parts = append(parts, "ambient "+describeSet(s.Ambient))
	}
	parts = append(parts, "bounding set "+describeSet(s.Bounding))
	if s.NoNewPrivs {
		parts = append(parts, "no_new_privs yes")
	} else {
		parts = append(parts, "no_new_privs no")
	}
	return strings.Join(parts, ", ")
}

func describeIDs(kind string, ids IDs) string {
	if ids == (IDs{ids.Real, ids.Real, ids.Real, ids.Real}) {
		return fmt.Sprintf("%s %d", kind, ids.Real)
	}
	return fmt.Sprintf("%s %d (effective %d, saved %d, file system %d)", kind, ids.Real, ids.Effective, ids.Saved, ids.FS)
}

func describeGroups(s Status) string {
	if len(s.Groups) == 0 {
		return "no supplementary groups"
	}
	var list []string
	for _, gid := range s.Groups {
		list = append(list, strconv.FormatUint(uint64(gid), 10))
	}
	text := "groups " + strings.Join(list, " ")
	if s.SetgroupsDenied {
		text += " (this user namespace lets nobody drop groups)"
	}
	return text
}

// describeSet counts against the capabilities that have a name here, or more where the set itself shows more.
func describeSet(set privsep.Capabilities) string {
	known := max(int(privsep.CAP_CHECKPOINT_RESTORE)+1, bits.Len64(uint64(set)))
	every := privsep.Capabilities(1)<<known - 1
	switch {
	case set == 0:
		return "none"
	case set == every:
		return fmt.Sprintf("all %d", known)
	case 2*bits.OnesCount64(uint64(set)) > known:
		return fmt.Sprintf("all %d but %s", known, every&^set)
	}
	return set.String()
}
