package audit_test

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
	"github.com/privhelper/privhelper/privsep/daemon/audit"
)

// Every key of a line stands in privhelper-audit(5), for those who read logs.
func TestEveryKeyIsInTheManual(t *testing.T) {
	page, err := os.ReadFile("../../../docs/man/privhelper-audit.5")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, item := range regexp.MustCompile(`(?m)^\.It Va (.*)$`).FindAllStringSubmatch(string(page), -1) {
		for _, key := range strings.Split(item[1], " , ") {
			known[key] = true
		}
	}
	long := strings.Repeat("x", 10_000)
	caps := privsep.Caps(privsep.CAP_NET_ADMIN)
	e := match("ip", long)
	e.Program, e.Capabilities, e.Locks, e.Waited, e.Err = "x", &caps, []string{"a"}, time.Second, errors.New("no")
	e.Request.Env, e.Request.Dir, e.Verdict.Env, e.Verdict.Unsafe = []string{"A=b"}, "/", []string{"A=b"}, []string{"kill-race"}
	refused := audit.Entry{Request: filters.Request{Argv: []string{"rm"}}, Verdict: filters.Verdict{Near: []filters.Near{{Reason: "no"}}}}
	var out bytes.Buffer
	log := audit.New(&out)
	log.Decision(e)
	log.Decision(refused)
	log.NotStarted(e, errors.New("no"))
	log.End(e, audit.End{Result: command.Result{Signal: 9}})
	log.End(e, audit.End{})
	keys := 0
	for line := range bytes.Lines(out.Bytes()) {
		for key := range decode(t, line) {
			keys++
			if name := strings.TrimSuffix(strings.TrimSuffix(key, "_cut"), "_count"); !known[name] {
				t.Errorf("%q is in no list of the page", name)
			}
		}
	}
	if keys < 60 || len(known) < 30 {
		t.Errorf("%d keys and %d names: this shows nothing", keys, len(known))
	}
}
