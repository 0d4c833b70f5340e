package rootwrap_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/command"
)

// rootsFolder is a folder that root alone can change, with every folder above it.
func rootsFolder(t *testing.T) string {
	t.Helper()
	testenv.NeedRoot(t)
	dir, err := os.MkdirTemp("/var/lib", "privhelper-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Allowed, refused, not executable, not to be started, done by the helper itself, and refused by the kernel: each is one
// decision on one line. use_syslog is on, where there may be no /dev/log.
func TestEveryDecisionIsOneLine(t *testing.T) {
	dir := rootsFolder(t)
	log := filepath.Join(dir, "log")
	broken := filepath.Join(dir, "broken") // what the kernel cannot execute
	if err := os.WriteFile(broken, []byte("\x7fELF and no more"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := start(t, program(t), "audit_file="+log+"\nuse_syslog=on\nsyslog_log_level=INFO\ncapabilities=\n",
		"true: CommandFilter, true, root\nmissing: CommandFilter, /no/such/program, root\nread: ReadFileFilter, "+dir+"/none\n"+
			"kill: KillFilter, root, /bin/sleep, -9\nbroken: CommandFilter, "+broken+", root\n")
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	sleep := exec.Command("/bin/sleep", "1000000")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleep.Process.Kill(); sleep.Wait() }()
	withDir := c.Command("true", "dir")
	withDir.Dir = "/tmp"
	for _, cmd := range []*client.Cmd{
		c.Command("true", "a"), c.Command("true", "b\nc"), c.Command("rm", "-rf", "/"), c.Command("/no/such/program"), withDir,
		c.Command("cat", dir+"/none"), c.Command("kill", "-9", fmt.Sprint(sleep.Process.Pid)), c.Command(broken),
	} {
		_ = cmd.Run() // how each ends is other tests' matter
	}
	// client.Cmd never passes a terminal on: this is what a client of another kind would do.
	if _, err := command.Run.Call(t.Context(), c, command.Request{Argv: []string{"true", "terminal"}, Stdin: privsep.File{File: terminal}}); !errors.Is(err, privsep.CodeBadArguments) {
		t.Errorf("a terminal: %v", err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var decisions, events []string
	for line := range strings.Lines(string(text)) {
		var o struct {
			Decision, Event, Policy, Client string

			Argv []string
			UID  uint32 `json:"client_uid"`
			PID  int    `json:"client_pid"`
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if o.Client == "" || !strings.HasPrefix(strings.Join(os.Args, " "), o.Client) || o.Policy != c.Helper().Policy || o.PID != os.Getpid() || o.UID != uint32(os.Getuid()) {
			t.Errorf("of whom, by which policy: %s", line)
		}
		if o.Decision != "" {
			decisions = append(decisions, o.Decision+" "+filepath.Base(o.Argv[0]))
		} else {
			events = append(events, o.Event+" "+filepath.Base(o.Argv[0]))
		}
	}
	want := []string{"match true", "match true", "unauthorized rm", "not_executable program", "unauthorized true", "error cat", "match kill", "match broken", "error true"}
	if !slices.Equal(decisions, want) {
		t.Errorf("decisions %q, want %q", decisions, want)
	}
	if !slices.Equal(events, []string{"not_started broken"}) {
		t.Errorf("events %q", events)
	}
}

// A log that cannot be opened ends the helper before it serves. One whose disk fills later changes no decision: what it
// does not take is lost, and as soon as there is room it says how many lines that were.
func TestAuditDoesNotDecide(t *testing.T) {
	testenv.NeedRoot(t)
	if c, err := client.Start(t.Context(), client.Config{Launcher: &client.Direct{Path: program(t), Args: []string{"helper-of", "audit_file=/dev/full\n", "true: CommandFilter, true, root\n"}}}); err == nil {
		c.Close()
		t.Error("a helper that cannot log has started")
	} else if !strings.Contains(err.Error(), "no regular file") {
		t.Error(err)
	}
	dir := rootsFolder(t)
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=64k,mode=700"); err != nil {
		testenv.Miss(t, "needs mount: "+err.Error())
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	c := start(t, program(t), "audit_file="+dir+"/log\ncapabilities=\n", "true: CommandFilter, true, root\n")
	if err := c.Command("true", "first").Run(); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	const tries = 60 // a page of the log was not full yet
	for range tries {
		if err := c.Command("true", strings.Repeat("x", 200)).Run(); err != nil {
			t.Fatalf("allowed, and the disk is full: %v", err)
		}
		if err := c.Command("rm").Run(); !errors.Is(err, privsep.CodeDenied) {
			t.Fatalf("refused, and the disk is full: %v", err)
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := c.Command("true", "last").Run(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	whole, lost := 0, 0
	for line := range strings.Lines(string(text)) {
		var o struct {
			Decision, Event string
			Lines           int
		}
		if json.Unmarshal([]byte(line), &o) != nil {
			continue // the one that was torn
		}
		if o.Event == "lost" {
			lost += o.Lines
		} else if o.Decision != "" {
			whole++
		}
	}
	if lost == 0 || whole+lost != 2*tries+2 || !strings.Contains(string(text), `"last"`) {
		t.Errorf("%d decisions stand there and %d are said to be lost, of %d", whole, lost, 2*tries+2)
	}
}

// Promise 10: what a refusal says is the same whatever stands in places that the client cannot see, and names no file of
// the policy.
func TestErrorTextsTellNothing(t *testing.T) {
	secret := rootsFolder(t) // mode 0700
	images := filepath.Join(secret, "images")
	for name, mode := range map[string]os.FileMode{"secret": 0o600, "program": 0o644, "other": 0o600} {
		if err := os.WriteFile(filepath.Join(secret, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(images, 0o700), os.Symlink(filepath.Join(secret, "other"), filepath.Join(images, "link")),
		os.Symlink("/", filepath.Join(secret, "away")), unix.Mkfifo(filepath.Join(secret, "fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	c := start(t, program(t), "capabilities=\n", "cat: PathFilter, cat, root, "+images+"\ntrue: CommandFilter, true, root\n"+
		"absent: CommandFilter, "+secret+"/absent, root\nplain: CommandFilter, "+secret+"/program, root\n"+
		"read1: ReadFileFilter, "+secret+"/none\nread2: ReadFileFilter, "+secret+"/fifo\nread3: ReadFileFilter, "+secret+"/away/x\n"+
		"kill: KillFilter, root, "+secret+"/absent, -9\nnetns: ChainingFilter, nice, root\n")
	say := func(argv ...string) string {
		t.Helper()
		err := c.Command(argv[0], argv[1:]...).Run()
		var call *privsep.CallError
		if !errors.As(err, &call) {
			t.Fatalf("%q: %v", argv, err)
		}
		text := fmt.Sprintf("%s, errno %d: %s", call.Code, call.Errno, call.Message)
		for _, where := range []string{"built-in", ".filters", ".conf", "no such file", "permission", "other", "is a "} {
			if strings.Contains(strings.ToLower(text), where) {
				t.Errorf("%q: %s", argv, text)
			}
		}
		// What it may name: its own argument, and what the rule demands.
		for _, own := range append(argv, "absent", "plain", "read1", "read2", "read3") {
			text = strings.ReplaceAll(text, own, "…")
		}
		return text
	}
	for name, group := range map[string][][]string{
		"a path outside": {{"cat", secret + "/secret"}, {"cat", secret + "/nothing"}, {"cat", images + "/link"}, {"cat", secret + "/away/etc"}, {"cat", images + "/../secret"}},
		"an inner one":   {{"nice", "cat", secret + "/secret"}, {"nice", "cat", secret + "/none"}, {"nice", "cat", images + "/link"}},
		"a program":      {{secret + "/absent"}, {secret + "/program"}},
		"a file to read": {{"cat", secret + "/none"}, {"cat", secret + "/fifo"}, {"cat", secret + "/away/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			texts := map[string][]string{}
			for _, argv := range group {
				text := say(argv...)
				texts[text] = append(texts[text], argv[len(argv)-1])
			}
			if len(texts) != 1 {
				t.Errorf("%d texts tell these apart:", len(texts))
				for _, text := range slices.Sorted(maps.Keys(texts)) {
					t.Errorf("%q: %s", texts[text], text)
				}
			}
		})
	}
	// A process whose program the client cannot see, and one that is not there.
	for _, pid := range []int{os.Getpid(), 1 << 22} {
		if text := say("kill", "-9", fmt.Sprint(pid)); strings.Contains(text, filepath.Base(os.Args[0])) {
			t.Error(text)
		}
	}
}

// runc CVE-2019-5736: the program that was root's was rewritten through /proc/PID/exe by what it had started. Neither the
// client nor a command, of another uid or of uid 0, can open the helper's for writing; nor does one inherit it.
func TestOwnBinaryCannotBeRewritten(t *testing.T) {
	self := program(t)
	c := start(t, self, "capabilities=CAP_NET_ADMIN\n", "root: RegExpFilter, sh, root, sh, -c, [\\s\\S]*\nnobody: RegExpFilter, dash, nobody, dash, -c, [\\s\\S]*\n")
	everybody := start(t, self, "", "root: RegExpFilter, sh, root, sh, -c, [\\s\\S]*\n")
	attack := func(pid int) string {
		return fmt.Sprintf("( : 3<>/proc/%[1]d/exe ) 2>&1; ( : 3>>%[2]s ) 2>&1; ( : 3</proc/%[1]d/mem ) 2>&1; ls -l /proc/self/fd", pid, self)
	}
	before, err := os.Stat(self)
	if err != nil {
		t.Fatal(err)
	}
	run := func(who, shell string, want ...string) {
		t.Helper()
		out := output(t, c, shell, "-c", attack(c.Helper().PID))
		if strings.Contains(strings.SplitN(out, "total", 2)[1], self) {
			t.Errorf("%s has a descriptor of the helper's program: %s", who, out)
		}
		for _, text := range want {
			if !strings.Contains(out, text) {
				t.Errorf("%s: no %q in %s", who, text, out)
			}
		}
	}
	pid := c.Helper().PID
	exe, mem := fmt.Sprintf("/proc/%d/exe: Permission denied", pid), fmt.Sprintf("/proc/%d/mem: Permission denied", pid)
	run("a command of another uid", "dash", exe, mem, self+": Permission denied")
	// uid 0 owns the file; while a helper runs, the kernel keeps it from being written.
	run("a command of uid 0", "sh", exe, mem, self+": Text file busy")
	service := exec.Command("/bin/sh", "-c", attack(pid))
	service.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: testenv.Nobody, Gid: testenv.Nobody}}
	out, err := service.CombinedOutput()
	if err != nil || !strings.Contains(string(out), exe) || !strings.Contains(string(out), mem) {
		t.Errorf("the client: %s, %v", out, err)
	}
	// The twin: with every capability /proc lets it through, and only the running program keeps it off.
	if out := output(t, everybody, "sh", "-c", attack(everybody.Helper().PID)); !strings.Contains(out, "exe: Text file busy") {
		t.Errorf("a command with all capabilities: %s", out)
	}
	if after, err := os.Stat(self); err != nil || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the program has changed: %v", err)
	}
}

// rlimit_nofile is the soft limit of the helper and of its commands, as oslo.rootwrap has it; the hard one stays.
func TestOpenFilesLimit(t *testing.T) {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		t.Fatal(err)
	}
	const policy = "sh: RegExpFilter, sh, root, sh, -c, .*\n"
	for config, want := range map[string]string{"rlimit_nofile=200\n": "200", "rlimit_nofile=1_000_000_000\n": fmt.Sprint(now.Max), "rlimit_nofile=-1\n": ""} {
		c := start(t, program(t), config, policy)
		got := strings.Fields(output(t, c, "sh", "-c", "ulimit -Sn; ulimit -Hn"))
		if len(got) != 2 || got[1] != fmt.Sprint(now.Max) || want == "200" && got[0] != want {
			t.Errorf("%q: soft and hard limit %q; the hard one was %d", config, got, now.Max)
		}
		c.Close()
	}
}
