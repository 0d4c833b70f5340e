package privsep

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Capability is one capability of the Linux kernel by its number in capabilities(7). Its zero value is CAP_CHOWN, as the
// kernel numbers it: "no capability" is the zero value of the set, Capabilities.
type Capability uint8

// The capabilities of Linux 5.9 and later keep the kernel's own spelling: it is what manuals, systemd units and policy
// files say, and what one searches for.
const (
	CAP_CHOWN Capability = iota
	CAP_DAC_OVERRIDE
	CAP_DAC_READ_SEARCH
	CAP_FOWNER
	CAP_FSETID
	CAP_KILL
	CAP_SETGID
	CAP_SETUID
	CAP_SETPCAP
	CAP_LINUX_IMMUTABLE
	CAP_NET_BIND_SERVICE
	CAP_NET_BROADCAST
	CAP_NET_ADMIN
	CAP_NET_RAW
	CAP_IPC_LOCK
	CAP_IPC_OWNER
	CAP_SYS_MODULE
	CAP_SYS_RAWIO
	CAP_SYS_CHROOT
	CAP_SYS_PTRACE
	CAP_SYS_PACCT
	CAP_SYS_ADMIN
	CAP_SYS_BOOT
	CAP_SYS_NICE
	CAP_SYS_RESOURCE
	CAP_SYS_TIME
	CAP_SYS_TTY_CONFIG
	CAP_MKNOD
	CAP_LEASE
	CAP_AUDIT_WRITE
	CAP_AUDIT_CONTROL
	CAP_SETFCAP
	CAP_MAC_OVERRIDE
	CAP_MAC_ADMIN
	CAP_SYSLOG
	CAP_WAKE_ALARM
	CAP_BLOCK_SUSPEND
	CAP_AUDIT_READ
	CAP_PERFMON
	CAP_BPF
	CAP_CHECKPOINT_RESTORE
)

// capabilityPrefix is required in every name: without it "kill" and "chown" in a policy could be read as commands.
const capabilityPrefix = "CAP_"

var capabilityNames = [...]string{
	CAP_CHOWN:              "CAP_CHOWN",
	CAP_DAC_OVERRIDE:       "CAP_DAC_OVERRIDE",
	CAP_DAC_READ_SEARCH:    "CAP_DAC_READ_SEARCH",
	CAP_FOWNER:             "CAP_FOWNER",
	CAP_FSETID:             "CAP_FSETID",
	CAP_KILL:               "CAP_KILL",
	CAP_SETGID:             "CAP_SETGID",
	CAP_SETUID:             "CAP_SETUID",
	CAP_SETPCAP:            "CAP_SETPCAP",
	CAP_LINUX_IMMUTABLE:    "CAP_LINUX_IMMUTABLE",
	CAP_NET_BIND_SERVICE:   "CAP_NET_BIND_SERVICE",
	CAP_NET_BROADCAST:      "CAP_NET_BROADCAST",
	CAP_NET_ADMIN:          "CAP_NET_ADMIN",
	CAP_NET_RAW:            "CAP_NET_RAW",
	CAP_IPC_LOCK:           "CAP_IPC_LOCK",
	CAP_IPC_OWNER:          "CAP_IPC_OWNER",
	CAP_SYS_MODULE:         "CAP_SYS_MODULE",
	CAP_SYS_RAWIO:          "CAP_SYS_RAWIO",
	CAP_SYS_CHROOT:         "CAP_SYS_CHROOT",
	CAP_SYS_PTRACE:         "CAP_SYS_PTRACE",
	CAP_SYS_PACCT:          "CAP_SYS_PACCT",
	CAP_SYS_ADMIN:          "CAP_SYS_ADMIN",
	CAP_SYS_BOOT:           "CAP_SYS_BOOT",
	CAP_SYS_NICE:           "CAP_SYS_NICE",
	CAP_SYS_RESOURCE:       "CAP_SYS_RESOURCE",
	CAP_SYS_TIME:           "CAP_SYS_TIME",
	CAP_SYS_TTY_CONFIG:     "CAP_SYS_TTY_CONFIG",
	CAP_MKNOD:              "CAP_MKNOD",
	CAP_LEASE:              "CAP_LEASE",
	CAP_AUDIT_WRITE:        "CAP_AUDIT_WRITE",
	CAP_AUDIT_CONTROL:      "CAP_AUDIT_CONTROL",
	CAP_SETFCAP:            "CAP_SETFCAP",
	CAP_MAC_OVERRIDE:       "CAP_MAC_OVERRIDE",
	CAP_MAC_ADMIN:          "CAP_MAC_ADMIN",
	CAP_SYSLOG:             "CAP_SYSLOG",
	CAP_WAKE_ALARM:         "CAP_WAKE_ALARM",
	CAP_BLOCK_SUSPEND:      "CAP_BLOCK_SUSPEND",
	CAP_AUDIT_READ:         "CAP_AUDIT_READ",
	CAP_PERFMON:            "CAP_PERFMON",
	CAP_BPF:                "CAP_BPF",
	CAP_CHECKPOINT_RESTORE: "CAP_CHECKPOINT_RESTORE",
}

// String returns the kernel's name, CAP_NET_ADMIN, or the plain number of a capability that a newer kernel has and this
// package has no name for.
func (c Capability) String() string {
	if int(c) < len(capabilityNames) {
		return capabilityNames[c]
	}
	return strconv.Itoa(int(c))
}

// ParseCapability returns the capability with the kernel's name, in upper or lower case, prefix included: CAP_NET_ADMIN,
// cap_net_admin. The error of another text names the known capability that is nearest to it. There is no name for all
// capabilities: a newer kernel would add to a policy that nobody reads again.
func ParseCapability(name string) (Capability, error) {
	// Only ASCII is folded: strings.ToUpper would turn the dotless ı of CAP_KıLL into an I.
	upper := asciiUpper(name)
	for i, known := range capabilityNames {
		if upper == known {
			return Capability(i), nil
		}
	}
	switch {
	case upper == "ALL" || upper == "CAP_ALL":
		return 0, errors.New(`there is no way to say all capabilities: name each one that is needed`)
	case len(name) > 2*len("CAP_CHECKPOINT_RESTORE"):
		return 0, fmt.Errorf("no capability has a name of %d bytes", len(name))
	case !strings.HasPrefix(upper, capabilityPrefix):
		return 0, fmt.Errorf("%q is no capability: names begin with %s; the nearest is %s",
			name, capabilityPrefix, nearestCapability(capabilityPrefix+upper))
	}
	return 0, fmt.Errorf("%q is no capability: the nearest is %s", name, nearestCapability(upper))
}

func asciiUpper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// nearestCapability returns the known name with the fewest insertions, deletions and replacements from name.
func nearestCapability(name string) string {
	nearest, fewest := "", len(name)+len("CAP_CHECKPOINT_RESTORE")
	for _, known := range capabilityNames {
		if n := editDistance(name, known); n < fewest {
			nearest, fewest = known, n
		}
	}
	return nearest
}

// editDistance is Levenshtein's, a row at a time.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
