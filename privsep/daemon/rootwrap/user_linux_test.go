package rootwrap_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// folders lists the cgroup folders that a helper made.
func folders(t *testing.T, helper life) (out []string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); strings.Contains(line, " - cgroup2 ") {
			_ = filepath.WalkDir(f[4], func(path string, d fs.DirEntry, err error) error {
				if strings.HasPrefix(filepath.Base(path), fmt.Sprintf("privhelper.%d.", helper.pid)) {
					out = append(out, path)
				}
				return nil
			})
		}
	}
	return out
}

// A helper with a user of its own cannot remove its cgroup folder: the next one does, and what it finds in it ends. A
// living helper's folder and its commands stay.
func TestSweepAfterUser(t *testing.T) {
	testenv.NeedRoot(t)
	const config = "capabilities=CAP_NET_ADMIN\nsemantics=strict\nuser=nobody\n"
	first := serve(t, "cgroup", config)
	first.needMethod("cgroup", config)
	if first.helperUID != testenv.Nobody {
		t.Fatalf("the helper has uid %d", first.helperUID)
	}
	escaped := first.run("client", daemonize+"0", "<nil>")[0]
	second := serve(t, "cgroup", config)
	if got := first.run("client", daemonize+"0", "<nil>"); !escaped.alive() || !got[0].alive() {
		t.Error("the second helper's sweep ended what is the first's")
	}
	if n := len(folders(t, first.helper)); n != 1 {
		t.Fatalf("the first helper has %d folders", n)
	}

	kept := second.run("client", daemonize+"0", "<nil>")[0]
	if err := unix.PidfdSendSignal(first.helper.fd, unix.SIGKILL, nil, 0); err != nil {
		t.Fatal(err)
	}
	second.stdin.Close()
	for _, helper := range []life{first.helper, second.helper} {
		if !helper.ends(time.Now().Add(withinASecond + atExit)) {
			t.Fatalf("helper %d lives on", helper.pid)
		}
	}
	if kept.alive() {
		t.Error("what the second helper's command left behind outlived its service")
	}
	for _, path := range folders(t, second.helper) {
		if events, err := os.ReadFile(path + "/cgroup.events"); err != nil || !strings.Contains(string(events), "populated 0") {
			t.Errorf("%s: %q, %v", path, events, err)
		}
	}
	if !escaped.alive() {
		t.Log("a helper of another package's tests has swept before ours") // every start sweeps
	}
	serve(t, "cgroup", config)
	if !escaped.ends(time.Now().Add(withinASecond)) {
		t.Error("what escaped from a killed helper outlived the next start")
	}
	serve(t, "cgroup", config) // on a loaded machine a start does not wait for the end of what it killed
	for _, helper := range []life{first.helper, second.helper} {
		if left := folders(t, helper); len(left) != 0 {
			t.Errorf("%v remain after the sweep", left)
		}
	}
}
