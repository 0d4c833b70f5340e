package archtest

import (
	"slices"
	"strings"
	"testing"
)

// wall is one ban: what package `from` links must not hold `to`. A path without a dot in its first part is the standard
// library's; "./" stands for this module. direct bans the import alone, where another package may bring it.
type wall struct {
	from, to string
	direct   bool
	reason   string
}

var walls = []wall{
	{"./privsep/client", "./privsep/daemon", false, "the service must not carry the code that runs as root"},
	{"./privsep/client", "./privsep/confine", false, "the client gives up nothing: a service that does joins confine in its main"},
	{"./privsep/client", "./filters", false, "the helper alone decides; a client that judged could disagree with it"},
	{"./privsep/daemon", "./privsep/client", false, "the helper must not carry the code that starts helpers and reads answers"},
	{"./privsep/daemon/rootwrap", "./privsep/client", false, "as for daemon"},
	{"./privsep/daemon", "./filters", false, "a helper with entrypoints only links no policy engine"},

	{"./privsep", "os/exec", false, "the contract is data: it starts nothing"},
	{"./privsep", "golang.org/x/sys/unix", false, "the contract is data: it asks the kernel nothing"},
	{"./privsep", "net", false, "both sides link the contract"},
	{"./privsep/command", "os/exec", false, "as for privsep"},

	{"./filters", "./privsep/confine", false, "a verdict carries a rule's section as data; rootwrap makes a confine.Spec of it"},
	{"./filters", "golang.org/x/sys/unix", false, "parsing and matching are pure: what they ask of the machine goes through filters.Machine"},
	{"./filters", "os", true, "as above; errors and modes come from io/fs"},
	{"./filters", "os/exec", false, "a policy is judged, never run"},
	{"./filters", "syscall", true, "as above"},

	{"./privsep/daemon", "./filters/lint", false, "a finding is advice to an author; what serves clients decides without it"},
	{"./privsep/daemon/rootwrap", "./filters/lint", false, "as for daemon"},
	{"./privsep/daemon", "./filters/suggest", false, "as for lint"},
	{"./privsep/daemon/rootwrap", "./filters/suggest", false, "as for lint"},
	{"./filters/suggest", "os", true, "pure: text goes in, text comes out"},
	{"./filters/suggest", "./privsep/daemon", false, "it reads what the audit log wrote, and needs nothing of the helper for it"},
	{"./filters", "./filters/lint", false, "a verdict must not depend on a lint"},
	{"./filters/host", "./filters/lint", false, "as above: every helper links the host"},
	{"./filters/lint", "os", true, "pure, as filters is: what a lint asks of the machine goes through lint.Machine"},
	{"./filters/lint", "golang.org/x/sys/unix", false, "as above"},

	{"./internal/spawn", "./privsep", false, "processutils will share it, and imports nothing of privsep"},
	{"./internal/spawn", "os/exec", false, "its goroutines and environment are not for a process that is root"},

	{"./processutils", "./privsep", false, "who runs commands needs no root helper; privrunner joins the two"},
	{"./processutils/sshrunner", "./privsep", false, "as for processutils"},
	{"./processutils/bulk", "./privsep", false, "as for processutils"},
	{"./processutils", "golang.org/x/crypto/ssh", false, "sshrunner alone brings it, and net with it"},
	{"./processutils", "net", false, "as above"},
	{"./processutils", "github.com/schollz/progressbar/v3", false, "bulk alone shows progress"},
	{"./internal/mask", "os", true, "masking is pure: both sides link it"},
	{"./cmd/privhelper", "golang.org/x/crypto/ssh", false, "root speaks with no other machine"},

	{"./cmd/privhelper", "net", false, "no listening socket; its resolver and init are not for root"},
	{"./cmd/privhelper", "net/http", false, "brings net and TLS, and serves pprof by an import"},
	{"./cmd/privhelper", "net/rpc", false, "names from the caller are looked up by reflection, and it decodes gob"},
	{"./cmd/privhelper", "log/syslog", false, "brings net; syslog is a few lines on x/sys"},
	{"./cmd/privhelper", "encoding/gob", false, "CVE-2024-34156: no decoder of hostile bytes but our own check and msgpack"},
	{"./cmd/privhelper", "plugin", false, "nothing is loaded that was not linked"},
	{"./cmd/privhelper", "text/template", false, "calls methods by name, and keeps the linker from dropping any exported one"},
	{"./cmd/privhelper", "runtime/cgo", false, "static, and no loader's environment (CVE-2023-4911)"},
	{"./cmd/privhelper", "testing", false, "registers flags and a runner"},
	{"./cmd/privhelper", "expvar", false, "brings net/http"},
}

func full(path string) string {
	if rest, ok := strings.CutPrefix(path, "./"); ok {
		return module + "/" + rest
	}
	return path
}

// breach says how a wall is broken, or nothing.
func (w wall) breach(g graph) string {
	from, to := full(w.from), full(w.to)
	if w.direct {
		if slices.Contains(g[from].Imports, to) {
			return w.from + " imports " + w.to
		}
		return ""
	}
	by := g.linked(from)
	if _, found := by[to]; found {
		return road(by, to)
	}
	return ""
}

func TestWalls(t *testing.T) {
	g := tree(t)
	for _, w := range walls {
		t.Run(w.from+" without "+w.to, func(t *testing.T) {
			if _, exists := g[full(w.from)]; !exists {
				t.Fatalf("there is no package %s: take its walls along to where it went", w.from)
			}
			if how := w.breach(g); how != "" {
				t.Errorf("%s\n%s must not link %s: %s", how, w.from, w.to, w.reason)
			}
		})
	}
}

// The demo joins client and daemon on purpose, by packages in between: a wall that does not see that sees nothing.
func TestWallsCanFail(t *testing.T) {
	g := tree(t)
	for _, w := range []wall{
		{from: "./cmd/client-demo", to: "./privsep/daemon"},
		{from: "./cmd/client-demo", to: "net"},
		{from: "./cmd/privhelper", to: "./privsep/internal/wire"},
		{from: "./cmd/privhelper", to: "golang.org/x/sys/unix"},
		{from: "./privsep", to: "os", direct: true},
	} {
		if how := w.breach(g); !strings.HasSuffix(how, strings.TrimPrefix(w.to, "./")) {
			t.Errorf("%s links %s, and no breach was seen (%q)", w.from, w.to, how)
		}
	}
}

// Only a program may join the two sides; a package that did would bring root's code to every service that imports it.
func TestOnlyProgramsJoinTheSides(t *testing.T) {
	g := tree(t)
	for _, p := range g.own() {
		by := g.linked(p.ImportPath)
		_, client := by[full("./privsep/client")]
		_, daemon := by[full("./privsep/daemon")]
		if client && daemon && p.Name != "main" && p.ImportPath != full("./privsep/privseptest") {
			t.Errorf("%s joins client (%s) and daemon (%s)", p.ImportPath, road(by, full("./privsep/client")), road(by, full("./privsep/daemon")))
		}
		if slices.Contains(p.Imports, full("./privsep/privseptest")) || slices.Contains(p.Imports, full("./internal/testenv")) {
			t.Errorf("%s imports a package of the tests outside its tests", p.ImportPath)
		}
	}
}
