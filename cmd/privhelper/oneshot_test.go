//go:build linux

package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// BenchmarkOneShot runs true as root once, for nobody: by the service, by sudo and by doas, turn by turn, each of them with one
// line of policy. It reports the medians in microseconds, and run's ratio to each peer's.
func BenchmarkOneShot(b *testing.B) {
	testenv.NeedRoot(b)
	sudo, doas := testenv.NeedProgram(b, "sudo", "sudo"), testenv.NeedProgram(b, "doas", "opendoas")
	socket := startService(b, "true: CommandFilter, true, root\n", "", false)
	runtime.LockOSThread() // and never unlocked: what is started from here sees the files that ownFile puts
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		b.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		b.Fatal(err)
	}
	ownEtc(b, map[string]string{
		"sudoers.d/privhelper-bench": "nobody ALL=(root) NOPASSWD: /bin/true\n",
		"doas.conf":                  "permit nopass nobody as root cmd /bin/true\n",
	})
	names := []string{"run", "sudo", "doas", "true"}
	argv := map[string][]string{
		"run":  {binary(), "run", "--socket", socket, "--", "true"},
		"sudo": {sudo, "-n", "/bin/true"},
		"doas": {doas, "-n", "/bin/true"},
		"true": {"/bin/true"},
	}
	took := map[string][]time.Duration{}
	for b.Loop() {
		for _, name := range names {
			cmd := exec.Command(argv[name][0], argv[name][1:]...)
			cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin:/bin"}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: testenv.Nobody, Gid: testenv.Nobody}}
			began := time.Now()
			out, err := cmd.CombinedOutput()
			if err != nil {
				b.Fatalf("%s: %v: %s", name, err, out)
			}
			took[name] = append(took[name], time.Since(began))
		}
	}
	median := func(name string) float64 {
		slices.Sort(took[name])
		return float64(took[name][len(took[name])/2]) / 1e3
	}
	for _, name := range names {
		b.ReportMetric(median(name), name+"-µs")
	}
	b.ReportMetric(median("run")/median("sudo"), "run/sudo")
	b.ReportMetric(median("run")/median("doas"), "run/doas")
	b.ReportMetric(0, "ns/op")
}

// ownEtc gives what is started from this thread an /etc of its own: a copy of the machine's with these files besides.
func ownEtc(b *testing.B, files map[string]string) {
	b.Helper()
	dir := b.TempDir()
	if err := unix.Mount("etc", dir, "tmpfs", 0, "mode=0755"); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", "/etc/.", dir).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o400)); err != nil {
			b.Fatal(err)
		}
	}
	if err := unix.Mount(dir, "/etc", "", unix.MS_MOVE, ""); err != nil {
		b.Fatal(err)
	}
	if text, err := os.ReadFile("/proc/thread-self/mounts"); err != nil || !strings.Contains(string(text), " /etc tmpfs ") {
		b.Fatal("this thread has no /etc of its own")
	}
}
