package client_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// killedBound is the promise: within this time after its client has died, a helper and all its descendants are gone.
const killedBound = time.Second

// TestClientKilled: a client that goes by SIGKILL, at a random time or after each message, leaves no helper and no
// descendant. CI kills at 500 random times in a step of its own (PRIVHELPER_TEST_ROOT=must, and no race detector, which
// takes the processors that the time is measured on); an ordinary run kills at 50.
func TestClientKilled(t *testing.T) {
	times := 50
	if os.Getenv("PRIVHELPER_TEST_ROOT") == "must" && !raceDetector {
		times = 500
	}
	modes := []struct {
		name, helper string
		asUser       bool // in a user namespace, where there is a walk only: cgroups are root's
		share        int  // of 10 parts
	}{
		{"cgroup", "helper-for-all", false, 4},
		{"walk", "helper-for-all-no-cgroup", false, 3},
		{"user namespace", "helper-for-all", true, 3},
	}
	if os.Geteuid() != 0 {
		modes = modes[2:]
		modes[0].share = 10
	}
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			for _, how := range []string{"at random times", "after each message"} {
				cmd := testenv.Child(t, "executioner")
				cmd.Args = append(cmd.Args, cmd.Path, mode.helper, how, strconv.Itoa(times*mode.share/10))
				if mode.asUser {
					testenv.AsUser(t, cmd)
				}
				var took []time.Duration
				for line := range strings.Lines(string(testenv.Output(t, cmd))) {
					d, err := time.ParseDuration(strings.TrimSpace(line))
					if err != nil {
						t.Fatal(err)
					}
					took = append(took, d)
				}
				if len(took) == 0 {
					t.Fatal("nobody was killed")
				}
				slices.Sort(took)
				median, longest := took[len(took)/2], took[len(took)-1]
				t.Logf("%s: killed %d times; all was gone after %v in the median and %v at most", how, len(took), median, longest)
				// Beside other packages' tests the processors are theirs for a second and more.
				if longest > killedBound && (testenv.Alone() || longest > 10*killedBound) {
					t.Errorf("%s: after %v something lived", how, longest)
				}
			}
		})
	}
}

// executioner starts victims and sees them killed. It is the subreaper of all that descends from them, which no setsid
// and no number of forks escapes, so that the kernel tells when the last has ended: nobody is left to wait for. For each
// victim it writes how long after its death that was. Arguments: the program of
// victim and helper, the helper's name, how to kill and how often.
func executioner(args []string) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	program, helper, how := args[0], args[1], args[2]
	times, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	// The first is killed after all was said, and tells how long and how many messages a conversation is.
	began := now()
	v, err := startVictim(program, helper, "bomb", 0)
	if err != nil {
		return err
	}
	messages, err := v.says("spoke")
	if err != nil {
		return err
	}
	length := now() - began
	if err := v.kill(); err != nil {
		return err
	}
	if how == "after each message" {
		for n := 1; n <= messages; n++ {
			v, err := startVictim(program, helper, "bomb", n)
			if err != nil {
				return err
			}
			died, err := v.says("dying")
			if err != nil {
				return fmt.Errorf("after message %d of %d: %w", n, messages, err)
			}
			if err := v.gone(time.Duration(died)); err != nil {
				return fmt.Errorf("after message %d of %d: %w", n, messages, err)
			}
		}
		return nil
	}
	for i := 1; i < times; i++ {
		withBomb := ""
		if i%10 == 0 {
			withBomb = "bomb"
		}
		v, err := startVictim(program, helper, withBomb, 0)
		if err != nil {
			return err
		}
		time.Sleep(rand.N(length * 5 / 4)) // the time is what this is about
		if err := v.kill(); err != nil {
			return err
		}
	}
	return nil
}

type running struct {
	cmd *exec.Cmd
	out *os.File
}

func startVictim(program, helper, withBomb string, messages int) (*running, error) {
	out, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	v := &running{cmd: exec.Command(program, "victim", program, helper, withBomb, strconv.Itoa(messages)), out: out}
	v.cmd.Stdout, v.cmd.Stderr = theirs, os.Stderr
	return v, v.cmd.Start()
}

// says waits for the victim to write a word and a number, and returns the number.
func (v *running) says(word string) (int, error) {
	line, err := bufio.NewReader(v.out).ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("the victim ended by itself: %w", err)
	}
	said, number, _ := strings.Cut(strings.TrimSpace(line), " ")
	if said != word {
		return 0, fmt.Errorf("the victim says %q, not %s", line, word)
	}
	return strconv.Atoi(number)
}

func (v *running) kill() error {
	died := now()
	if err := v.cmd.Process.Kill(); err != nil {
		return err
	}
	return v.gone(died)
}

// gone waits for the end of all that there is and writes how long it took.
func (v *running) gone(died time.Duration) error {
	v.out.Close()
	v.cmd.Process.Release()
	left := make(chan []string, 1)
	end := time.AfterFunc(5*killedBound, func() { left <- endAll() })
	for {
		if _, err := unix.Wait4(-1, nil, 0, nil); errors.Is(err, unix.ECHILD) {
			break
		}
	}
	took := now() - died
	if !end.Stop() {
		return fmt.Errorf("%v after the client has died there live %q", 5*killedBound, <-left)
	}
	fmt.Println(took)
	return nil
}

// endAll ends what lives in spite of all: the test has failed. It returns their command lines.
func endAll() (lived []string) {
	for end := time.Now().Add(5 * killedBound); time.Now().Before(end); {
		all := []string{"self"}
		for i := 0; i < len(all); i++ {
			lists, _ := filepath.Glob("/proc/" + all[i] + "/task/*/children")
			for _, list := range lists {
				pids, _ := os.ReadFile(list)
				all = append(all, strings.Fields(string(pids))...)
			}
		}
		if len(all) == 1 {
			break
		}
		for _, pid := range all[1:] {
			if line, _ := os.ReadFile("/proc/" + pid + "/cmdline"); len(lived) < 20 {
				lived = append(lived, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
			}
			if n, err := strconv.Atoi(pid); err == nil {
				syscall.Kill(n, syscall.SIGKILL)
			}
		}
	}
	return lived
}
