package rootwrap_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/command"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// A rule is one for a shell with a section of its own. The first line of a script names its rule.
type rule struct{ name, runAs, section string }

func rules(all ...rule) (policy string) {
	sections := ""
	for _, r := range all {
		policy += fmt.Sprintf("%s: RegExpFilter, sh, %s, sh, -c, #%s\\n[\\s\\S]*\n", r.name, r.runAs, r.name)
		sections += fmt.Sprintf("[%s]\n%s\n", r.name, r.section)
	}
	return policy + sections
}

// startApart starts a helper as root in a network of its own.
func startApart(t *testing.T, config, policy string) *client.Client {
	t.Helper()
	testenv.NeedRoot(t)
	unshare := testenv.NeedProgram(t, "unshare", "util-linux")
	c, err := client.Start(context.Background(), client.Config{Launcher: &client.Direct{Path: unshare, Args: []string{"--net", program(t), "helper-of", config, policy}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func shell(c *client.Client, rule, script string) *client.Cmd {
	return c.Command("sh", "-c", "#"+rule+"\n"+script)
}

// run returns what a script wrote, and how it ended.
func run(c *client.Client, rule, script string) (string, error) {
	out, err := shell(c, rule, script).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// can reports whether a script succeeds under a rule.
func can(t *testing.T, c *client.Client, rule, script string) bool {
	t.Helper()
	_, err := run(c, rule, script)
	var call interface{ ExitCode() int }
	if err != nil && !errors.As(err, &call) {
		t.Fatalf("%s: %v", script, err)
	}
	return err == nil
}

// The policy's promise in the words of the issue: a rule with CAP_NET_ADMIN runs `ip link add`. With a user of its own it
// cannot mount, read /etc/shadow or chown; as root it cannot mount or chown, and owns root's files still.
func TestSectionCapabilities(t *testing.T) {
	testenv.NeedProgram(t, "ip", "iproute2")
	c := startApart(t, "capabilities=CAP_NET_ADMIN,CAP_SYS_ADMIN,CAP_CHOWN,CAP_DAC_READ_SEARCH\n",
		rules(rule{"nobody", "nobody", "capabilities = CAP_NET_ADMIN"}, rule{"root", "root", "capabilities = CAP_NET_ADMIN"}, rule{"wide", "root", "nice = 1"}))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		script             string
		nobody, root, wide bool
	}{
		{"ip link add BR type bridge", true, true, true},
		{"mount -t tmpfs none /mnt && umount /mnt", false, false, true},
		{"head -c 1 /etc/shadow", false, true, true},
		{"chown 1 " + file, false, false, true},
	} {
		for rule, want := range map[string]bool{"nobody": test.nobody, "root": test.root, "wide": test.wide} {
			if got := can(t, c, rule, strings.ReplaceAll(test.script, "BR", rule)); got != want {
				t.Errorf("%s, %s: %v", rule, test.script, got)
			}
		}
	}
	only := hex(12)
	for rule, ambient := range map[string]string{"nobody": only, "root": hex()} {
		out, err := run(c, rule, "cat /proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		got := status(out)
		for _, set := range []string{"CapPrm", "CapEff", "CapBnd"} {
			if got[set] != only {
				t.Errorf("%s: %s is %s", rule, set, got[set])
			}
		}
		if got["CapAmb"] != ambient || got["CapInh"] != ambient {
			t.Errorf("%s: ambient %s, inheritable %s", rule, got["CapAmb"], got["CapInh"])
		}
	}
}

// What a section says of the process itself.
func TestSectionProcess(t *testing.T) {
	self, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, program(t), "", rules(
		rule{"ids", "root", "user = nobody\ngroup = daemon\ngroups = bin, sys"},
		rule{"none", "1:1", "groups ="},
		rule{"env", "root", "env = COLOUR, SHAPE=round, PATH=/bin\ncwd = /usr"},
		rule{"nnp", "nobody", "no_new_privs = yes\numask = 000\nnice = 5"},
		rule{"limits", "root", "rlimit_nofile = 20:40\nrlimit_core = 0"},
		rule{"quiet", "root", "stdin = no"},
		rule{"sum", "root", fmt.Sprintf("sha256 = %x", sha256.Sum256(self))},
		rule{"sums", "root", "sha256 = " + strings.Repeat("0", 64)},
		rule{"mine", "root", "clients = root, 12345"},
		rule{"ours", "root", "clients = @root"},
		rule{"theirs", "root", "clients = nobody, @nogroup"},
	))
	for _, test := range []struct{ rule, script, want string }{
		{"ids", "id -u; id -g; grep Groups: /proc/self/status", "65534 1 Groups: 2 3"},
		{"none", "grep Groups: /proc/self/status", "Groups:"},
		{"env", "echo $SHAPE $PATH; env | grep -c PATH; pwd", "round /bin 1 /usr"},
		{"nnp", "umask; grep -c 'NoNewPrivs:.1' /proc/self/status; nice", "0000 1 5"},
		{"limits", "ulimit -Sn; ulimit -Hn; ulimit -c", "20 40 0"},
		{"quiet", "readlink /proc/self/fd/0", "/dev/null"},
		{"sum", "echo ran; echo $0", "ran sh"},
		{"mine", "echo ran", "ran"},
		{"ours", "echo ran", "ran"},
	} {
		cmd := shell(c, test.rule, test.script)
		cmd.Stdin = strings.NewReader("text")
		out, err := cmd.CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); got != test.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", test.rule, got, err, test.want)
		}
	}
	for rule, want := range map[string]string{"sums": "sha256", "theirs": "no rule of the policy"} {
		if _, err := run(c, rule, "echo ran"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

// A command sees its places and nothing else; a place that is made anew is in the sandbox of the next command.
func TestSectionPlaces(t *testing.T) {
	dir := rootsFolder(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"in", "out", "mine"} {
		if err := errors.Join(os.Mkdir(dir+"/"+name, 0o777), os.Chmod(dir+"/"+name, 0o777), os.WriteFile(dir+"/"+name+"/file", []byte("text\n"), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	c := start(t, program(t), "", rules(rule{"box", "nobody", "read = " + dir + "/in, /usr/bin\nwrite = " + dir + "/mine, " + dir + "/later"}))
	for script, want := range map[string]bool{
		"cat D/in/file": true, "cat D/out/file": false, "cat /etc/passwd": false, "cat /proc/self/status": false, "ls D/out": false,
		"echo > D/mine/new && rm D/mine/new": true, "echo > D/in/new": false, ": > D/out/file": false, "echo > D/out/new": false,
		"echo > /dev/null": true, "head -c 1 /dev/urandom": true, "mkdir D/later": false,
	} {
		if got := can(t, c, "box", strings.ReplaceAll(script, "D", dir)); got != want {
			t.Errorf("%s: %v", script, got)
		}
	}
	for range 3 {
		if err := errors.Join(os.Mkdir(dir+"/later", 0o777), os.Chmod(dir+"/later", 0o777)); err != nil {
			t.Fatal(err)
		}
		if !can(t, c, "box", "echo > "+dir+"/later/file") {
			t.Error("a place that was made later is none")
		}
		if err := os.RemoveAll(dir + "/later"); err != nil {
			t.Fatal(err)
		}
	}
}

// A command without network sees lo, down, and shares nothing with the next.
func TestSectionNetwork(t *testing.T) {
	c := start(t, program(t), "capabilities=CAP_NET_ADMIN\n", rules(rule{"alone", "nobody", "network = none\ncapabilities = CAP_NET_ADMIN"}))
	seen := map[string]bool{}
	for range 2 {
		out, err := run(c, "alone", "tail -n +3 /proc/self/net/dev | cut -d: -f1; readlink /proc/self/ns/net; ip link add br0 type bridge")
		lines := strings.Fields(out)
		if err != nil || len(lines) != 2 || lines[0] != "lo" || seen[lines[1]] {
			t.Fatalf("%q, %v", lines, err)
		}
		seen[lines[1]] = true
		if out, err = run(c, "alone", "cat /sys/class/net/lo/flags 2>/dev/null; ip -o link show up | wc -l"); err != nil || !strings.HasSuffix(out, "0") {
			t.Errorf("%q, %v", out, err)
		}
	}
}

// A timeout ends the whole tree, what called setsid and outlives the main process included, and names itself.
func TestSectionTimeout(t *testing.T) {
	c := start(t, program(t), "", rules(rule{"short", "root", "timeout = 300ms"}))
	for _, script := range []string{"setsid sleep 1000 & echo $!; exec sleep 1000", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"} {
		begin := time.Now()
		out, err := run(c, "short", script)
		if strings.Contains(script, "exec") && (!errors.Is(err, command.ErrTimeout) || !strings.Contains(err.Error(), "timeout = 300ms of rule short")) {
			t.Errorf("%v", err)
		}
		var pid int
		if _, err := fmt.Sscan(out, &pid); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err == unix.ESRCH {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		if l := (life{pid, fd}); !l.ends(begin.Add(300*time.Millisecond + withinASecond)) {
			t.Errorf("%s: process %d lives", script, pid)
		}
		unix.Close(fd)
	}
}

// A file that a rule holds open (<path:DIR,fd>) is what the command gets, though its name leads elsewhere by now: the
// command swaps it before it reads. It gets no other descriptor.
func TestHeldArgument(t *testing.T) {
	dir := rootsFolder(t)
	for name, text := range map[string]string{"data/judged": "judged", "other": "other"} {
		if err := errors.Join(os.MkdirAll(dir+"/data", 0o755), os.WriteFile(dir+"/"+name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	c := start(t, program(t), "", fmt.Sprintf("swap: ArgvFilter, sh, root, -c, <re:[ -~]*>, <path:%[1]s/data,fd>\n", dir))
	out, err := c.Command("sh", "-c", "mv "+dir+"/other "+dir+"/data/judged; cat $0; echo; ls /proc/self/fd", dir+"/data/judged").CombinedOutput()
	// ls has one more, for the folder that it reads.
	if want := "judged\n0\n1\n2\n3\n4\n"; err != nil || string(out) != want {
		t.Errorf("%q, %v, want %q", out, err, want)
	}
}

// A rule with a lock is serialized against itself, flock(1) and oslo.concurrency, as long as anything of it runs.
func TestSectionLock(t *testing.T) {
	testenv.NeedRoot(t)
	flock := testenv.NeedProgram(t, "flock", "util-linux")
	python := "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import oslo_concurrency.lockutils").Run(); err != nil {
		testenv.Miss(t, "needs oslo.concurrency (Debian package python3-oslo.concurrency)")
	}
	dir := rootsFolder(t)
	c := start(t, program(t), "lock_path="+dir+"/locks\n", rules(rule{"locked", "root", "lock = b, a"}, rule{"gone", "root", "lock = a\nlifetime = detached"}))
	busy := func() bool {
		return exec.Command(flock, "--nonblock", dir+"/locks/a", "true").Run() != nil
	}
	// Held while what the main process left behind runs, and free when that is gone.
	fifo := dir + "/fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(c, "locked", "setsid cat "+fifo+" >/dev/null 2>&1 &"); err != nil {
		t.Fatal(err)
	}
	if !busy() {
		t.Error("the lock is free while a process of the command runs")
	}
	if err := os.WriteFile(fifo, nil, 0); err != nil {
		t.Fatal(err)
	}
	if !can(t, c, "locked", "true") { // waits until the first has let go
		t.Error("the lock was not given back")
	}
	if busy() {
		t.Error("the lock is held when nothing of the command runs")
	}
	out, err := run(c, "gone", "setsid sleep 1000 >/dev/null 2>&1 & echo $!")
	if err != nil || busy() {
		t.Errorf("lifetime = detached: the lock is held after the main process, %v", err)
	}
	var left int
	if _, err := fmt.Sscan(out, &left); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	t.Cleanup(func() { _ = unix.Kill(left, unix.SIGKILL) })

	// Two worlds of locks hold it off, each until it lets go.
	for name, holder := range map[string]*exec.Cmd{
		"flock(1)": exec.Command(flock, dir+"/locks/a", "sh", "-c", "echo held; read x || true"),
		"oslo": exec.Command(python, "-c", "import sys\nfrom oslo_concurrency import lockutils\nwith lockutils.external_lock('a', lock_path='"+dir+"/locks'):\n"+
			"    print('held', flush=True)\n    sys.stdin.readline()\n"),
	} {
		in, err := holder.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := holder.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := holder.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 16)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err = c.CommandContext(ctx, "sh", "-c", "#locked\ntrue").CombinedOutput()
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) { // the helper's clock and the client's

			t.Errorf("%s holds the lock: %v", name, err)
		}
		ran := make(chan error)
		go func() {
			_, err := run(c, "locked", "true")
			ran <- err
		}()
		in.Close()
		if err := errors.Join(<-ran, holder.Wait()); err != nil {
			t.Errorf("%s let go: %v", name, err)
		}
	}

	// The client itself would wait for its own command.
	set := &lockutils.Set{Folder: dir + "/locks", Names: lockutils.Oslo}
	held, err := set.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run(c, "locked", "true"); !errors.Is(err, syscall.EDEADLK) || !strings.Contains(err.Error(), "the client itself") {
		t.Errorf("held by the client: %v", err)
	}
	if err := held.Unlock(); err != nil || !can(t, c, "locked", "true") {
		t.Errorf("%v", err)
	}
}

// What this process has not been given, and a policy promises, keeps the helper from starting, with file and line.
func TestSectionInfeasible(t *testing.T) {
	for section, want := range map[string]string{
		"capabilities = CAP_SYS_RESOURCE": "built-in.filters:4: capabilities of rule \"a\": this helper was not given CAP_SYS_RESOURCE",
		"rlimit_nofile = 20":              "built-in.filters:4: rlimit_nofile of rule \"a\": this helper was not given CAP_SYS_RESOURCE",
	} {
		loaded, err := parse("", "a: CommandFilter, true, 1:1\n[a]\n"+section+"\n")
		if err != nil {
			t.Fatal(err)
		}
		if err := rootwrap.Feasible(loaded, 0, 0); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", section, err)
		}
	}
}
