package filters

import (
	"fmt"
	"slices"
	"strings"
)

// capabilityNames are the kernel's, in the order of their numbers (linux/capability.h of 6.18).
var capabilityNames = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
	"CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
	"CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
	"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
	"CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// parseCapabilities reads names separated by commas or white space. An empty list is one: no capability at all.
func parseCapabilities(value string) ([]string, error) {
	names := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || pySpace(r) })
	for i, name := range names {
		if !slices.Contains(capabilityNames, name) {
			return nil, fmt.Errorf("capability %q is not known: write the kernel's names, such as CAP_NET_ADMIN", name)
		}
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("capability %s stands twice", name)
		}
	}
	return names, nil
}
