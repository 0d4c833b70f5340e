package attack

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/privhelper/privhelper/privsep/client"
)

// rootOnly is what is left to root of the attacks, by filepath.Match on AREA/NAME, and why. A user has all others made on a helper
// in a user namespace (namespace_linux_test.go), and those of the area user on the binary itself.
var rootOnly = []struct{ names, why string }{
	{"filters/chain-inner-user", becoming},
	{"filters/user-and-groups", becoming},
	{"filters/*capabilit*", becoming},
	{"filters/kill-*", "what a process outside its namespace runs a helper cannot tell, and refuses the harmless twin too"},
	{"caller/limit-[fsp]*", "to raise a limit again takes CAP_SYS_RESOURCE of the machine"},
	{"caller/client-two-names", "it is privhelper run's, which root alone may use"},
	{"*/*-of-nobody", "a user cannot give a file away"},
	{"*/*-for-group", "a user cannot give a file away"},
	{"*/*device", "a user cannot make a device"},
	{"files/program-link", "a user cannot give a file to root"},
	{"files/interpreter-*", "in a user namespace a script stands for its interpreter (host.machine.interpreters)"},
	{"locks/held-*", becoming},
	{"lifetime/forks", "its 512 processes are all that any command of that user may have, in the tests of other packages too"},
	{"core/*", "the helper that ends has no launcher, who would have to hand a user's policy in"},
	{"intruder/*", "a helper in a namespace of a user's own is that user's"},
	{"service/*", "the service is root's"},
	{"network/*", "a user cannot see the sockets of a helper"},
	{"terminal/*", "it is privhelper run's, which root alone may use"},
	{"mounts/*", becoming},
	{"privileges/*", becoming},
	{"faults/*", traced},
	{"killed/*", traced},
	{"frozen/*", traced},
	{"reused/*", traced},
}

const (
	becoming = "it takes to become another user"
	traced   = "what it stops or fails is a helper of root's"
)

// leftToRoot says why an attack is not made by a user, or "".
func leftToRoot(name string) string {
	for _, left := range rootOnly {
		if ok, _ := filepath.Match(left.names, name); ok {
			return left.why
		}
	}
	return ""
}

// TestUser makes the attacks that need no root, as whoever runs the tests. For root they are TestAttacks' too, and what is made
// here is what a user does to the binary alone.
func TestUser(t *testing.T) {
	for _, area := range areas {
		t.Run(area.name, func(t *testing.T) {
			if area.name != "user" {
				needNamespace(t)
			}
			for _, a := range area.attacks {
				if leftToRoot(area.name+"/"+a.name) == "" {
					t.Run(a.name, func(t *testing.T) { a.make(newWorld(t)) })
				}
			}
		})
	}
}

// ownPolicy is a policy of whoever runs the tests, in a folder that everybody may write.
func ownPolicy(w *world) {
	w.t.Helper()
	w.file("@E@/own.conf", "[DEFAULT]\nfilters_path=@E@\n")
	w.file("@E@/own.filters", "[Filters]\ntool: CommandFilter, @W@/bin/tool, root\n")
	w.program("@W@/bin/tool")
}

var userAttacks = []attack{
	{"own-policy", "a policy of the user's own, in a folder that everybody may write", 8, nil, func(w *world) {
		ownPolicy(w)
		for _, words := range [][]string{{"run", "--config", "@E@/own.conf", "--", "tool"}, {"rootwrap", "@E@/own.conf", "tool"}} {
			r := takeCommand(w, w.texts(append([]string{bin("privhelper")}, words...)))
			if r.code != 97 || r.canary != "" || !strings.Contains(r.errors, ": run ch") { // own, or mod
				w.t.Errorf("%q: %v", words, r)
			}
		}
	}},
	{"own-policy-check", "the same to check, as a FIFO that nobody writes, with --untrusted-files", 3, nil, func(w *world) {
		ownPolicy(w)
		check := w.texts([]string{bin("privhelper"), "check", "--untrusted-files", "--config", "@E@/own.conf"})
		if r := takeCommand(w, check); r.code == 97 {
			w.t.Fatalf("the harmless twin: %v", r)
		}
		instead("@E@/own.conf", func(_ *world, path string) error { return syscall.Mkfifo(path, 0o644) })(w)
		if r := takeCommand(w, check); r.code != 97 || !strings.Contains(r.errors, "FIFO") {
			w.t.Errorf("%v", r)
		}
	}},
	{"daemon-by-hand", "a daemon started by a user, with no socket as its standard input", 1, nil, func(w *world) {
		ownPolicy(w)
		r := takeCommand(w, w.texts([]string{bin("privhelper"), "daemon", "--config", "@E@/own.conf"}))
		if r.code != 97 || !strings.Contains(r.errors, "no Unix socket") {
			w.t.Errorf("%v", r)
		}
	}},
	{"namespace-writable", "a helper in a user namespace that is to trust a program which everybody may write", 5, nil, func(w *world) {
		w.program("@W@/bin/tool")
		w.must(os.Chmod(w.text("@W@/bin/tool"), 0o777))
		c, err := client.Start(w.t.Context(), client.Config{Launcher: &client.UserNamespace{Path: bin("privhelper"),
			Args: []string{"daemon", "--config", w.config}, Trusted: []string{filepath.Join(w.dir, "bin", "tool")}}})
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "writable by everybody") {
			w.t.Errorf("it started: %v", err)
		}
	}},
}
