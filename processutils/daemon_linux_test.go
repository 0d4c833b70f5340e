package processutils_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/processutils"
)

// daemonize leaves a process behind that has a session of its own, no parent and no stream.
const daemonize = `setsid sh -c 'sleep %s <&- >&- 2>&- & exit 0'; `

// A daemon of which nothing but its mark says whose it is: ended at the deadline, reported at the end of a command that
// left it behind. As whoever runs the tests, and as nobody.
func TestDaemon(t *testing.T) {
	for name, as := range map[string]func(testing.TB, *exec.Cmd){"self": func(testing.TB, *exec.Cmd) {}, "nobody": testenv.AsUser} {
		t.Run(name, func(t *testing.T) {
			child := testenv.Child(t, "daemons", setuidEnv(t)...)
			wanted := map[string]int{"100070": 0, "100071": 1, "100072": 20, "100073": 1}
			if os.Geteuid() != 0 {
				delete(wanted, "100073")
			}
			if !births() {
				child.Env = append(child.Env, "NO_BIRTHS=1")
				wanted = map[string]int{"100070": 0}
			}
			as(t, child)
			reported := map[string][]string{}
			for line := range strings.Lines(string(testenv.Output(t, child))) {
				f := strings.Fields(line)
				reported[f[0]] = append(reported[f[0]], f[1:]...)
			}
			for number, alive := range wanted {
				left := sleepers(t, number)
				if len(left) != alive || len(reported[number]) != alive {
					t.Errorf("sleep %s: alive %v, reported %v, want %d", number, left, reported[number], alive)
				}
				for _, pid := range left {
					if !strings.Contains(" "+strings.Join(reported[number], " ")+" ", " "+pid+" ") {
						t.Errorf("sleep %s: %s is alive and not reported: %v", number, pid, reported[number])
					}
					n, _ := strconv.Atoi(pid)
					syscall.Kill(n, syscall.SIGKILL)
				}
			}
		})
	}
}

// setuidEnv makes a setuid copy of env(1), where root runs the tests.
func setuidEnv(t *testing.T) []string {
	if os.Geteuid() != 0 {
		return nil
	}
	dir, err := os.MkdirTemp("/var/lib", "processutils-test-") // /tmp may be nosuid
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := dir + "/env"
	text, err := os.ReadFile("/usr/bin/env")
	if err == nil {
		err = errors.Join(os.WriteFile(program, text, 0o755), os.Chmod(program, 0o4755), os.Chmod(dir, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	return []string{program}
}

// daemons runs commands that leave daemons behind and prints their number and Survivors. What it is given is a setuid
// env(1).
func daemons(setuid []string) error {
	say := func(number string, pids []int) error {
		fmt.Println(number, strings.Trim(fmt.Sprint(pids), "[]"))
		for _, pid := range pids { // what was reported may still be on its way from fork to exec
			for until := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
				text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
				if string(text) == "sleep\x00"+number+"\x00" {
					break
				}
				if err != nil || time.Now().After(until) {
					return fmt.Errorf("%d is %q, %w", pid, text, err)
				}
			}
		}
		return nil
	}
	before := ownLimits()

	// At its deadline: it has its mark when OnStart is called, and daemonizes then.
	in, go_, err := os.Pipe()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := processutils.Shell("read -r go; " + fmt.Sprintf(daemonize, "100070") + "echo up; exec sleep 100070")
	c.Stdin, c.Stdout, c.Stop.Grace = in, writer(func([]byte) { cancel() }), grace
	during := ""
	c.OnStart = func(processutils.Process) { during = ownLimits(); go_.WriteString("go\n") }
	began := time.Now()
	res, err := local.Run(ctx, c)
	if took := time.Since(began); !errors.Is(err, context.Canceled) || len(res.Survivors) > 0 || took > 10*time.Second {
		return fmt.Errorf("after %v: %v, survivors %v", took, err, res.Survivors)
	}

	if after := ownLimits(); before != during || before != after {
		return fmt.Errorf("the caller's limits: %q before, %q during, %q after", before, during, after)
	}
	if os.Getenv("NO_BIRTHS") != "" { // what follows may have forked before it had its mark
		return nil
	}

	// By a command that exits 0.
	res, err = local.Run(context.Background(), processutils.Shell(fmt.Sprintf(daemonize, "100071")))
	if err != nil {
		return err
	}
	if err := say("100071", res.Survivors); err != nil {
		return err
	}
	for range 20 {
		c := processutils.Command("setsid", "--wait", "sh", "-c", "sleep 100072 <&- >&- 2>&- & exit 0")
		if res, err = local.Run(context.Background(), c); err != nil {
			return err
		}
		if err := say("100072", res.Survivors); err != nil {
			return err
		}
	}
	// A setuid program gets no mark from an ordinary user, and has that of its birth.
	for _, program := range setuid {
		if res, err = local.Run(context.Background(), processutils.Command(program, "sh", "-c", fmt.Sprintf(daemonize, "100073"))); err != nil {
			return err
		}
		if len(res.Survivors) != 1 {
			return fmt.Errorf("a setuid program left %v behind", res.Survivors)
		}
		if err := say("100073", res.Survivors); err != nil {
			return err
		}
	}
	return nil
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

func ownLimits() string {
	text, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// births reports whether what is born before it is marked is found too: Linux 6.12, and no filter of system calls.
func births() bool {
	attr, err := unix.SchedGetAttr(0, 0)
	status, _ := os.ReadFile("/proc/self/status")
	return err == nil && attr.Runtime != 0 && strings.Contains(string(status), "\nSeccomp:\t0\n")
}
