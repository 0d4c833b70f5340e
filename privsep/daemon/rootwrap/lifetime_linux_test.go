package rootwrap_test

import (
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
)

// needMethod ends the test where this machine finds processes otherwise. A helper with a user of its own finds them as
// one without does.
func (s *running) needMethod(method, config string) {
	s.t.Helper()
	if strings.HasPrefix(s.trees, method) {
		return
	}
	if plain, _, of := strings.Cut(config, "user="); of {
		if other := serve(s.t, method, plain); strings.HasPrefix(other.trees, method) {
			s.t.Fatalf("%s; without user=: %s", s.trees, other.trees)
		}
	}
	testenv.Miss(s.t, s.trees)
}

// daemonize leaves a process behind that forked twice and called setsid, and writes its pid before it ends.
const daemonize = `r=$(setsid sh -c 'echo $$; exec sleep 1000 >/dev/null' &); echo $r; exit `

// What a command leaves behind: under lifetime = detached and after an exit with 0 it outlives its service and its
// helper, whichever way they end (neutron starts dnsmasq and restarts without it); everything else goes within a second.
func TestLifetime(t *testing.T) {
	for _, method := range []string{"cgroup", "walk"} {
		for _, user := range []string{"", "nobody"} {
			for _, end := range []string{"killed", "closed"} {
				for _, semantics := range []string{"oslo", "strict"} {
					t.Run(strings.Join([]string{method, "user=" + user, end, semantics}, "/"), func(t *testing.T) {
						testLifetime(t, method, user, end, semantics)
					})
				}
			}
		}
	}
}

func testLifetime(t *testing.T, method, user, end, semantics string) {
	config := "capabilities=CAP_NET_ADMIN\nsemantics=" + semantics + "\n"
	if user != "" {
		testenv.NeedRoot(t)
		config += "user=" + user + "\n"
	}
	s := serve(t, method, config)
	s.needMethod(method, config)
	stays := s.run("detached", daemonize+"0", "<nil>")
	goes := append(s.run("client", daemonize+"0", "<nil>"), s.run("detached", daemonize+"3", "exit status 3")...)
	byDefault := s.run("default", daemonize+"0", "<nil>")
	if semantics == "oslo" {
		stays = append(stays, byDefault...)
	} else {
		goes = append(goes, byDefault...)
	}
	if len(stays)+len(goes) != 4 {
		t.Fatal(stays, goes)
	}
	for _, l := range append(stays, goes...) {
		if !l.alive() {
			t.Fatalf("process %d ended with its command", l.pid)
		}
	}

	begun := time.Now()
	if end == "killed" {
		s.kill()
	} else {
		s.stdin.Close()
	}
	for _, l := range goes {
		if !l.ends(begun.Add(withinASecond)) {
			t.Errorf("process %d lives a second after its service", l.pid)
		}
	}
	t.Log("all was gone after", time.Since(begun))
	if !s.helper.ends(begun.Add(withinASecond + atExit)) {
		t.Error("the helper lives a second after its service")
	}
	serve(t, method, config) // sweeps
	for _, l := range stays {
		if !l.alive() {
			t.Errorf("process %d did not outlive its service", l.pid)
		}
	}
}
