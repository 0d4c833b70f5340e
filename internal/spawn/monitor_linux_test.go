package spawn

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A command's timers are as exact as the kernel's default has it, whatever the helper's threads have, as CalmMonitor or who
// started the helper left them.
func TestTimerSlack(t *testing.T) {
	f, err := NewForker(func() error { return unix.Prctl(unix.PR_SET_TIMERSLACK, 7*tagBase, 0, 0, 0) })
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{}, {TagsForWalk: true}, {NoCgroup: true}} {
		g := newTestGroup(t, o)
		p, lines := start(t, g, f, `cat /proc/self/timerslack_ns`)
		line, _ := lines.ReadString('\n')
		if n, err := strconv.Atoi(strings.TrimSpace(line)); err != nil || n != tagBase+int(p.tag) {
			t.Errorf("%+v: a slack of %q, and the tag is %d", o, line, p.tag)
		}
		if _, err := p.Wait(); err != nil {
			t.Error(err)
		}
	}
}
