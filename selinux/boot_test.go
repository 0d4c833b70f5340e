//go:build boot

// Package selinux_test boots a machine with the module in force and with systemd, `make test-selinux`: Debian's kernel and policy,
// the packages of the last commit, no hardware but qemu's (tcg). What happens in it is testdata/guest/probe; without SELinux, where
// its clock jumps and it sleeps, testdata/guest/clock.
package selinux_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
)

// bootTime is when a machine that has not turned itself off hangs; it takes a minute or two.
const bootTime = 10 * time.Minute

// A line is what a machine must say under a name, as a regular expression.
type line struct{ name, want string }

// saw are the lines that the probe must write. What is denied is denied by the kernel: the rules of the policy allow it.
var saw = []line{
	{"enforcing", `Enforcing`},
	{"self", `unconfined_u:.*`},

	// systemd drives the socket.
	{"before the first connection", `active inactive`},
	{"links", `1: lo: .*`},
	{"after the first connection", `active`},
	{"before reload", `privhelper: Unauthorized command: id -u .*`},
	{"reload", `0 same process 0`},
	{"stop", `0 inactive active`},
	{"after stop", `0 active`},
	{"watchdog", `1 restart 1 timeout 0`},

	{"helper", `system_u:system_r:privhelper_t:s0`},
	{"worker", `system_u:system_r:privhelper_t:s0 privhelper-work`},
	{"command", `system_u:system_r:privhelper_command_t:s0`},
	{"command under no_new_privs", `system_u:system_r:privhelper_command_t:s0`},
	{"unexpected denials", ``},

	{"shadow", `cat: /etc/shadow: Permission denied`},
	{"policy", `touch: cannot touch '/etc/privhelper/rootwrap.d/mine.filters': Permission denied`},
	{"tcp", `socket: Permission denied at .*`},
	{"ptrace", `ptrace: Permission denied at .*`},
	{"helper reads shadow", `privhelper: not reloaded: .*/etc/shadow: permission denied`},
	{"network namespace", `lo .*`},
	{"mount", `blue +tmpfs`},
	{"home", `blue`},
	{"device", `blue0 +DOWN .*`},
	{"end", `\.`},
}

// denied is what the kernel must have written of the attempts: source, target, class and permission. Of some it writes nothing
// (dontaudit).
var denied = []string{
	"privhelper_command_t privhelper_conf_t dir { write }",
	"privhelper_command_t privhelper_command_t process { ptrace }",
	"privhelper_command_t privhelper_command_t tcp_socket { create }",
	"privhelper_command_t shadow_t file { read }",
	"privhelper_t shadow_t file { getattr }",
}

// clockSaw are the lines of testdata/guest/clock.
var clockSaw = []line{
	{"clock", `0`},
	{"watchdog", `active 0 restarts same process`},
	{"end", `\.`},
}

func TestBoot(t *testing.T) {
	testenv.NeedRoot(t)
	qemu := testenv.NeedProgram(t, "qemu-system-x86_64", "qemu-system-x86")
	debian := os.Getenv("PRIVHELPER_DEBIAN_ROOT")
	if debian == "" {
		testenv.Miss(t, "needs PRIVHELPER_DEBIAN_ROOT, a folder of packaging/debian-root's: make test-selinux")
	}
	dir := t.TempDir()
	packages := filepath.Join(dir, "packages")
	testenv.Output(t, exec.Command("../packaging/build", packages))
	tests := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, "attack.test"), "../attack")
	tests.Env = append(os.Environ(), "CGO_ENABLED=0")
	testenv.Output(t, tests)
	testenv.Output(t, exec.Command("./image", debian, packages, dir))

	t.Run("selinux", func(t *testing.T) {
		lines := boot(t, qemu, dir, "security=selinux selinux=1 enforcing=1")
		expect(t, lines, saw)
		for _, line := range denied {
			if !strings.Contains(lines["expected denials"], line+";") {
				t.Errorf("no record of the kernel says %s: %s", line, lines["expected denials"])
			}
		}
	})
	t.Run("clock", func(t *testing.T) { expect(t, boot(t, qemu, dir, "selinux=0 mem_sleep_default=deep"), clockSaw) })
}

// boot boots a machine from the image in a folder, which it does not change, until that turns itself off, and returns what it saw.
func boot(t *testing.T, qemu, image, options string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootTime)
	defer cancel()
	out := t.TempDir()
	serial, console := filepath.Join(out, "serial"), filepath.Join(out, "console")
	machine := exec.CommandContext(ctx, qemu, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", filepath.Join(image, "kernel"), "-initrd", filepath.Join(image, "initrd"),
		"-drive", "file="+filepath.Join(image, "disk")+",if=virtio,format=raw,snapshot=on",
		"-append", "root=/dev/vda rw console=ttyS0 systemd.show_status=no "+options,
		"-serial", "file:"+console, "-serial", "file:"+serial)
	said, err := machine.CombinedOutput()
	text, rerr := os.ReadFile(serial)
	if err != nil || rerr != nil {
		log, _ := os.ReadFile(console)
		t.Fatalf("%v, %v: %s\n%s\n%s", err, rerr, said, text, log[max(0, len(log)-4000):])
	}
	t.Logf("%s", text)
	lines := map[string]string{}
	for line := range bytes.Lines(text) {
		if rest, found := strings.CutPrefix(string(line), "SAW "); found {
			name, value, _ := strings.Cut(rest, ":")
			lines[name] = strings.TrimSpace(value)
		}
	}
	return lines
}

func expect(t *testing.T, lines map[string]string, want []line) {
	t.Helper()
	for _, l := range want {
		if got, found := lines[l.name]; !found || !regexp.MustCompile(`^(`+l.want+`)$`).MatchString(got) {
			t.Errorf("%s: %q, want %s", l.name, got, l.want)
		}
	}
}
