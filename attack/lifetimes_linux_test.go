package attack

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestLifetimes ends or halts client and helper at the steps of their conversation, in -runs runs: each fate of each side at each
// step, in an order that mixes them, from the beginning again when all were had. After each run promises 3 (another client's
// helper answers), 6 (all of it ends, no lock is free before) and 7 (one line a decision) must hold.
func TestLifetimes(t *testing.T) {
	testenv.NeedRoot(t)
	others := startBystander(t)
	var cases []fate
	for _, side := range []string{"client", "helper"} {
		steps := newWorld(t).steps(side)
		t.Logf("%s: %d steps", side, len(steps))
		for _, s := range steps {
			for _, what := range fates {
				cases = append(cases, fate{side, what, s})
			}
		}
	}
	rand.New(rand.NewPCG(9, 0)).Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	met, missed := map[string][]time.Duration{}, 0
	for done := 0; done < *runs; {
		f := cases[(done+missed)%len(cases)]
		w := newWorld(t)
		reached, after := w.meets(f)
		others.live(t)
		if t.Failed() {
			t.Fatalf("run %d: %v; what it left is in %s", done+1, f, w.dir)
		}
		w.must(os.RemoveAll(w.dir))
		if !reached { // the scheduler did it with fewer
			if missed++; missed > *runs+20 {
				t.Fatalf("%d steps were not reached, and only %d were", missed, done)
			}
			continue
		}
		met[f.side+" "+f.what] = append(met[f.side+" "+f.what], after)
		done++
	}
	for _, side := range []string{"client", "helper"} {
		for _, what := range fates {
			if all := slices.Sorted(slices.Values(met[side+" "+what])); len(all) > 0 {
				t.Logf("%s %s: %d runs; all of it had ended after %v in the median, %v at most", side, what, len(all), all[len(all)/2].Round(100*time.Microsecond), all[len(all)-1].Round(100*time.Microsecond))
				if longest := all[len(all)-1]; longest > time.Second && (testenv.Alone() || longest > 10*time.Second) {
					t.Errorf("%s %s: something lived for %v", side, what, longest)
				}
			}
		}
	}
	t.Logf("%d runs of %d cases; promises 3, 6 and 7 held", *runs, len(cases))
}

// unsteady are calls of Go's runtime: their number is the scheduler's, or they are made before main.
var unsteady = []string{"futex", "nanosleep", "sched_yield", "getpid", "tgkill", "rt_sigreturn", "rt_sigaction", "execve", "exit", "exit_group"}

// steps are the system calls of one side of a conversation that nothing befalls, each as often as the thread that makes it most
// often. A process that it forks is of its side until it executes.
func (w *world) steps(side string) (steps []step) {
	w.t.Helper()
	w.leavingPolicy()
	words := w.traced(side, "echo $$ >"+w.cgroup()+"/cgroup.procs", []string{testenv.NeedProgram(w.t, "strace", "strace"), "-f", "-qq", "-b", "execve", "-o", w.text("@W@/trace")})
	testenv.Output(w.t, exec.Command(words[0], words[1:]...))
	made, most := map[string]int{}, map[string]int{}
	for _, row := range regexp.MustCompile(`(?m)^(\d+) +(\w+)\(`).FindAllStringSubmatch(w.read(w.text("@W@/trace")), -1) {
		made[row[0]]++
		if n := made[row[0]]; n > most[row[2]] && !slices.Contains(unsteady, row[2]) {
			most[row[2]] = n
			steps = append(steps, step{row[2], n})
		}
	}
	return steps
}
