package attack

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// A peer is another program that lets a user have commands of root's, as Debian 12 ships and configures it. It is told what to
// allow in its own language, as an administrator would write it for the same permission.
type peer struct {
	name, program, deb string
	write              func(w *world, a *ask) (asked bool)
	take               func(w *world, as, caller string, argv []string) result
}

var peers = []peer{
	{"oslo.rootwrap", "oslo-rootwrap", "python3-oslo.rootwrap", writeOslo, takeOslo},
	{"its daemon", "oslo-rootwrap-daemon", "python3-oslo.rootwrap", writeOslo, takeOsloDaemon},
	{"sudo", "sudo", "sudo", writeSudoers, takeSetuid("sudo")},
	{"doas", "doas", "opendoas", writeDoasConf, takeSetuid("doas")},
}

// needPeers ends a test on a machine without them.
func needPeers(t *testing.T) {
	t.Helper()
	testenv.NeedRoot(t)
	for _, p := range peers {
		testenv.NeedProgram(t, p.program, p.deb)
	}
}

// of makes an ask of a peer, and says whether that holds; "—" where it cannot be asked the same.
func (a *ask) of(w *world, p peer) string {
	w.t.Helper()
	if !p.write(w, a) {
		return "—"
	}
	if a.files != nil {
		a.files(w)
	}
	if r := p.take(w, a.as, "", w.texts(a.harmless)); !r.ran || r.code != 0 {
		w.t.Fatalf("%s: the harmless command: %v", p.name, r)
	}
	if a.change != nil {
		a.change(w)
	}
	if a.through(p.take(w, a.as, w.text(a.caller), w.texts(a.request()))) {
		return "does not"
	}
	return "holds"
}

func writeOslo(w *world, a *ask) bool {
	w.policy("", a.rules)
	return a.oslo
}

// takeOslo has oslo-rootwrap do what `privhelper run` does, under the same policy, started by root.
func takeOslo(w *world, _, caller string, argv []string) result {
	w.t.Helper()
	return takePython(w, append(append(osloCaller(w, caller), "oslo-rootwrap", w.config), argv...))
}

// osloClient has a daemon of oslo.rootwrap's run one command, by its own client.
const osloClient = `import sys
from oslo_rootwrap import client
code, out, err = client.Client(["oslo-rootwrap-daemon", sys.argv[1]]).execute(sys.argv[2:])
sys.stdout.write(out); sys.stderr.write(err); sys.stdout.flush(); sys.exit(code & 255)
`

func takeOsloDaemon(w *world, _, caller string, argv []string) result {
	w.t.Helper()
	return takePython(w, append(append(osloCaller(w, caller), "/usr/bin/python3", "-c", osloClient, w.config), argv...))
}

// osloCaller is a caller in whose PATH are the programs that chains look for.
func osloCaller(w *world, caller string) []string {
	return from(w.text("PATH=@W@/bin:$PATH\n") + caller)
}

func takePython(w *world, words []string) result {
	w.t.Helper()
	r := takeCommand(w, words)
	if strings.Contains(r.errors, "Traceback (most recent call last)") {
		r.ran = false // it is Python's exit code
	}
	return r
}

// sudoDefaults are those of Debian's /etc/sudoers, but that secure_path has the folders of programs that a world has.
const sudoDefaults = `Defaults env_reset
Defaults mail_badpass
Defaults secure_path="@W@/bin:@B@:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Defaults use_pty
`

// target is the user of an ask's commands.
func target(as string) string {
	if as == "" {
		return "root"
	}
	return as
}

func writeSudoers(w *world, a *ask) bool {
	w.file("@W@/sudo.conf", sudoDefaults+"daemon ALL=("+target(a.as)+") NOPASSWD: "+a.sudo+"\n")
	mode("@W@/sudo.conf", 0o440)(w)
	return a.sudo != ""
}

func writeDoasConf(w *world, a *ask) bool {
	var lines strings.Builder
	for line := range strings.SplitSeq(a.doas, "\n") {
		lines.WriteString("permit nopass daemon as " + target(a.as) + " cmd " + line + "\n")
	}
	w.file("@W@/doas.conf", lines.String())
	mode("@W@/doas.conf", 0o400)(w)
	return a.doas != ""
}

// private are words that put a file in the place of another for the words behind them alone, in a mount namespace.
func private(file, place string) []string {
	return []string{"unshare", "--mount", "--propagation", "private", "sh", "-c", `mount --bind "$1" "$2" && shift 2 && exec "$@"`, "sh", file, place}
}

// ended are words whose pid namespace ends with its first process, so that nothing of a peer's outlives its attack.
var ended = []string{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc"}

// setuid are the words before a command of sudo's or doas': for them alone this world's configuration is the machine's. Who calls is
// the user daemon, with its own group alone, and root's shell before that, as on the other roads: what that leaves a process it
// can leave it under any user.
func setuid(w *world, program, as, caller string) []string {
	words := append(private(w.text("@W@/"+program+".conf"), map[string]string{"sudo": "/etc/sudoers", "doas": "/etc/doas.conf"}[program]), "setpriv", "--groups=1")
	return append(append(words, from(caller)...), "setpriv", "--reuid=1", "--regid=1", "--keep-groups", program, "-n", "-u", target(as))
}

func takeSetuid(program string) func(w *world, as, caller string, argv []string) result {
	return func(w *world, as, caller string, argv []string) (r result) {
		w.t.Helper()
		if len(argv) > 0 {
			argv = append([]string{absolute(w, argv[0])}, argv[1:]...)
		}
		r, _ = take(w, slices.Concat(ended, setuid(w, program, as, caller), argv))
		if setuidRefusal.MatchString(setuidWarning.ReplaceAllString(r.errors, "")) {
			r.ran = false
		}
		return r
	}
}

// setuidRefusal is how sudo and doas say that they do not. That the machine's name has no address is a warning of sudo's alone.
var setuidRefusal, setuidWarning = regexp.MustCompile(`(?m)^(Sorry, user|doas: |sudo: )`), regexp.MustCompile(`(?m)^sudo: unable to resolve host.*$`)

// absolute is the path of a program that policies name without one; neither sudoers nor doas.conf do.
func absolute(w *world, name string) string {
	if strings.Contains(name, "/") || name == "" {
		return name
	}
	for _, dir := range []string{w.text("@W@/bin"), bin(""), "/usr/bin", "/usr/sbin"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return filepath.Join(dir, name)
		}
	}
	return name
}
