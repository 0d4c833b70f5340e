//go:build linux

package main_test

import (
	"os/exec"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestRootwrapDaemon has Debian's unmodified oslo.rootwrap and oslo.concurrency, as a user, start this binary by the real
// sudo and doas.
func TestRootwrapDaemon(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedProgram(t, "sudo", "sudo")
	testenv.NeedProgram(t, "doas", "opendoas")
	needMounts(t)
	if out, err := exec.Command("/usr/bin/python3", "-c", "import oslo_rootwrap.client, oslo_concurrency.processutils").CombinedOutput(); err != nil {
		testenv.Miss(t, "needs Debian's python3-oslo.rootwrap and python3-oslo.concurrency: "+string(out))
	}
	scripts(t, "rootwrap-daemon*")
}
