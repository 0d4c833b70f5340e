package processutils_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/processutils"
)

// By real sudo, as nobody, in a mount namespace with its own sudoers: limits hold although sudo is setuid and cannot be
// traced; sudo hands SIGTERM on; a daemon behind sudo, whose limits PAM sets anew, is reported; and a deadline is kept
// although nobody may not kill what runs as root, which is reported.
func TestSudo(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedProgram(t, "sudo", "sudo")
	testenv.NeedProgram(t, "unshare", "util-linux")
	sudoers := filepath.Join(t.TempDir(), "sudoers")
	if err := os.WriteFile(sudoers, []byte("nobody ALL=(root) NOPASSWD: ALL\n"), 0o440); err != nil {
		t.Fatal(err)
	}
	child := testenv.Child(t, "sudo")
	script := `mount --bind "$0" /etc/sudoers && exec setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"`
	outer := exec.Command("unshare", "--mount", "/bin/sh", "-c", script, sudoers, child.Path)
	outer.Env = child.Env
	got := string(testenv.Output(t, outer))
	if !strings.HasPrefix(got, "0 50\n") {
		t.Errorf("as root with a limit: %q", got)
	}
	daemons := sleepers(t, "100112")
	for _, pid := range daemons {
		if n, err := strconv.Atoi(pid); err == nil {
			syscall.Kill(n, syscall.SIGKILL)
		}
	}
	if births() && (len(daemons) != 1 || !strings.Contains(got, "\ndaemons "+daemons[0]+"\n")) {
		t.Errorf("daemons %v are alive: %q", daemons, got)
	}
	_, numbers, _ := strings.Cut(got, "survivors")
	if left := sleepers(t, "100111"); len(left) > 0 {
		t.Errorf("alive: %v", left)
	}
	left := sleepers(t, "100110")
	if len(left) != 1 || !slices.ContainsFunc(strings.Fields(numbers), func(pid string) bool { return descends(left[0], pid) }) {
		t.Errorf("alive %v: %q", left, got)
	}
	for _, pid := range left {
		if n, err := strconv.Atoi(pid); err == nil {
			syscall.Kill(n, syscall.SIGKILL)
		}
	}
}

// descends reports whether a process has that ancestor, or is it.
func descends(pid, ancestor string) bool {
	for pid != "" && pid != "0" {
		if pid == ancestor {
			return true
		}
		text, _ := os.ReadFile("/proc/" + pid + "/stat")
		f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(f) < 2 {
			return false
		}
		pid = f[1]
	}
	return false
}

// bySudo is the user's side.
func bySudo([]string) error {
	sudo := processutils.Prefix{Helper: "sudo -n"}
	c := processutils.Command("sh", "-c", `echo "$(id -u) $(ulimit -Sn)"`)
	c.Limits.NumberFiles = processutils.Max(50)
	res, err := sudo.Run(context.Background(), c)
	fmt.Print(res.Stdout)
	if err != nil {
		return err
	}
	c = processutils.Command("sh", "-c", fmt.Sprintf(daemonize, "100112"))
	if res, err = sudo.Run(context.Background(), c); err != nil {
		return err
	}
	fmt.Println("daemons", strings.Trim(fmt.Sprint(res.Survivors), "[]"))
	var failed *processutils.ExecError
	for _, script := range []string{"exec sleep 100111", "trap '' TERM; exec sleep 100110"} {
		c = processutils.Command("sh", "-c", script)
		c.Timeout, c.Stop.Grace = 2*time.Second, 500*time.Millisecond // until then sudo must have started it, also on a busy machine
		began := time.Now()
		_, err = sudo.Run(context.Background(), c)
		if took := time.Since(began); took > c.Timeout+c.Stop.Grace+time.Second || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &failed) {
			return fmt.Errorf("after %v: %w", took, err)
		}
	}
	fmt.Println("survivors", strings.Trim(fmt.Sprint(failed.Survivors), "[]"))
	return nil
}
