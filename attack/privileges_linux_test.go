package attack

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep"
)

// The capabilities that policies of these attacks give: one, which no other process needs.
const onlyNetAdmin = "0000000000001000"

// fileCapability has a copy of grep(1) that carries CAP_SYS_ADMIN, as setcap(8) writes it: VFS_CAP_REVISION_2, permitted alone.
func fileCapability(w *world) {
	path := w.text("@W@/bin/told")
	w.must(copyFile(path, "/bin/grep"))
	var value []byte
	for _, word := range []uint32{0x02000000, 1 << privsep.CAP_SYS_ADMIN, 0, 0, 0} {
		value = binary.LittleEndian.AppendUint32(value, word)
	}
	w.must(unix.Setxattr(path, "security.capability", value, 0))
}

// setuidProgram has a copy of grep(1) that is setuid root.
func setuidProgram(w *world) {
	w.must(copyFile(w.text("@W@/bin/told"), "/bin/grep"))
	mode("@W@/bin/told", 0o755|os.ModeSetuid)(w)
}

// regains is an attack by a command of nobody's that has a program give it capabilities at exec.
func regains(name, how string, files func(*world)) attack {
	return attack{name, how, 2, &ask{options: "capabilities=\n", rules: "told: CommandFilter, told, nobody\n", oslo: true,
		sudo: "@W@/bin/told *", doas: "@W@/bin/told", as: "nobody", files: files,
		harmless: []string{"told", "^Uid:", "/proc/self/status"}, hostile: []string{"told", "^Cap", "/proc/self/status"},
		bad: func(r result) bool {
			return strings.Contains(r.out, "Cap") && !hasLine(r.out, "CapPrm:\t0000000000000000")
		}}, nil}
}

// tries is a command of root's that tries what its user may not: each of these takes a capability that policy does not give.
const tries = `#!/bin/sh
[ "$1" = try ] || exit 0
mount -t tmpfs none @W@/mnt 2>/dev/null && echo mounted && umount @W@/mnt
mknod @W@/mnt/zero c 1 5 2>/dev/null && echo made a device
chown 1 @W@/mnt 2>/dev/null && echo gave it away
unshare --mount true 2>/dev/null && echo has namespaces
chroot / true 2>/dev/null && echo changed its root
cat @E@/closed 2>/dev/null && echo read it
exit 0
`

var privilegeAttacks = []attack{
	{"bounding-set", "a command of root's looks into its bounding set, which is what an exec can give it", 2, &ask{options: "capabilities=CAP_NET_ADMIN\n",
		rules: "report: CommandFilter, report, root\ntrue: CommandFilter, true, root\n", oslo: true, sudo: "@B@/report, /usr/bin/true", doas: "@B@/report\n/usr/bin/true",
		harmless: []string{"true"}, hostile: []string{"report"}, bad: func(r result) bool { return r.out != "" && !hasLine(r.out, "CapBnd:\t"+onlyNetAdmin) }}, nil},
	regains("file-capabilities", "a program with CAP_SYS_ADMIN of its file's, by a rule of nobody's without capabilities", fileCapability),
	regains("setuid-root", "a program that is setuid root, by the same", setuidProgram),
	{"uid-0", "a command of root's without capabilities mounts, makes a device, gives files away, leaves its namespace, reads others' files", 2, &ask{
		options: "capabilities=\n", rules: "try: CommandFilter, try, root\n", oslo: true, sudo: "@W@/bin/try", doas: "@W@/bin/try",
		files: func(w *world) {
			w.must(os.Mkdir(w.text("@W@/mnt"), 0o755))
			w.file("@W@/bin/try", tries)
			mode("@W@/bin/try", 0o755)(w)
			w.file("@E@/closed", "closed\n")
			owner("@E@/closed", 65534, 65534)(w)
			mode("@E@/closed", 0o600)(w)
		},
		harmless: []string{"try"}, hostile: []string{"try", "try"}, bad: func(r result) bool { return r.out != "" }}, nil},
	{"other-rule", "a command after one whose rule gives a capability, from the same helper", 2, nil, func(w *world) {
		w.policy("capabilities=CAP_NET_ADMIN\n", "wide: RegExpFilter, @B@/report, root, report, wide\nnarrow: RegExpFilter, @B@/report, root, report\n[narrow]\ncapabilities=\n")
		c, err := w.start(w.t.Context(), "")
		w.must(err)
		defer c.Close()
		for range 3 {
			if r := askClient(w.t.Context(), w, c, []string{"report", "wide"}); r.code != 0 || hasLine(r.out, "CapEff:\t0000000000000000") {
				w.t.Fatalf("the harmless twin: %v", r)
			}
			if r := askClient(w.t.Context(), w, c, []string{"report"}); !hasLine(r.out, "CapPrm:\t0000000000000000") || !hasLine(r.out, "CapBnd:\t0000000000000000") {
				w.t.Errorf("came through: %v", r)
			}
		}
		if n := w.decisions(); n != 6 {
			w.t.Errorf("%d lines in the log", n)
		}
	}},
	{"helper", "each thread of a helper that has run commands, and its capabilities: what it does not need an error of ours could not use", 2, nil, func(w *world) {
		w.policy("capabilities=CAP_NET_ADMIN\n", "true: CommandFilter, true, root\n")
		c, err := w.start(w.t.Context(), "")
		w.must(err)
		defer c.Close()
		if r := askClient(w.t.Context(), w, c, []string{"true"}); !r.ran || r.code != 0 {
			w.t.Fatalf("the harmless twin: %v", r)
		}
		helperThreads(w, c.Helper().PID, helperNeeds)
	}},
	{"helper-inheritable", "the same of a helper whose caller has inheritable and ambient capabilities", 2, nil, func(w *world) {
		w.policy("capabilities=CAP_NET_ADMIN\n", "true: CommandFilter, true, root\n")
		c, err := w.start(w.t.Context(), `exec setpriv --inh-caps=+chown,+sys_admin --ambient-caps=+chown,+sys_admin "$@"`)
		w.must(err)
		defer c.Close()
		helperThreads(w, c.Helper().PID, helperNeeds)
	}},
}

// helperNeeds is the most that a helper with commands may hold (docs/architecture.md, "What a helper keeps"), with the one
// capability of the policy.
var helperNeeds = privsep.Caps(privsep.CAP_NET_ADMIN, privsep.CAP_SETPCAP, privsep.CAP_SETUID, privsep.CAP_SETGID, privsep.CAP_KILL, privsep.CAP_SYS_NICE, privsep.CAP_SYS_RESOURCE)

var capabilityLine = regexp.MustCompile(`(?m)^Cap(\w+):\t([0-9a-f]{16})$`)

// helperThreads wants no thread of a process to hold more than it may, and nothing that it could hand on.
func helperThreads(w *world, pid int, may privsep.Capabilities) {
	w.t.Helper()
	files, err := filepath.Glob(proc(pid, "task/*/status"))
	w.must(err)
	if len(files) < 2 {
		w.t.Fatalf("the helper has %d threads", len(files))
	}
	for _, file := range files {
		for _, line := range capabilityLine.FindAllStringSubmatch(w.read(file), -1) {
			bits, err := strconv.ParseUint(line[2], 16, 64)
			w.must(err)
			if held := privsep.Capabilities(bits); held&^may != 0 || (line[1] == "Inh" || line[1] == "Amb") && held != 0 {
				w.t.Errorf("%s: Cap%s is %v", file, line[1], held)
			}
		}
	}
}
