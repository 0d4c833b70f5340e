package lockutils_test

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

const peerRounds = 300

// python is Debian's, which has oslo.concurrency and fasteners; another one may come first in PATH.
const python = "/usr/bin/python3"

func needPython(t testing.TB) {
	t.Helper()
	if err := exec.Command(python, "-c", "import oslo_concurrency.lockutils, fasteners").Run(); err != nil {
		testenv.Miss(t, "needs python3-oslo.concurrency and python3-fasteners: "+err.Error())
	}
}

const pythonBump = `
import sys, time
def bump(path):
    with open(path) as f: n = int(f.read())
    time.sleep(0.00005)
    with open(path, "w") as f: f.write(str(n + 1))
folder, name, counter, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
`

const osloCounts = pythonBump + `
from oslo_concurrency import lockutils
for _ in range(rounds):
    with lockutils.lock(name, external=True, lock_path=folder, do_log=False):
        bump(counter)
`

const fastenersCounts = pythonBump + `
import fasteners, os
lock = fasteners.InterProcessLock(os.path.join(folder, name))
for _ in range(rounds):
    with lock:
        bump(counter)
`

// osloHolds and fastenersHolds say when they hold the lock bridge, and keep it until their input ends.
const osloHolds = `
import sys
from oslo_concurrency import lockutils
with lockutils.lock("bridge", external=True, lock_path=sys.argv[1], do_log=False):
    print("held", flush=True)
    sys.stdin.read()
`

const fastenersHolds = `
import sys, os, fasteners
with fasteners.InterProcessLock(os.path.join(sys.argv[1], "bridge")):
    print("held", flush=True)
    sys.stdin.read()
`

const fastenersReadsAndCounts = pythonBump + `
import fasteners, os
lock = fasteners.InterProcessReaderWriterLock(os.path.join(folder, name))
for i in range(rounds):
    with lock.read_lock():
        before = open(counter).read()
        time.sleep(0.0001)
        assert before == open(counter).read(), "a writer came in among readers"
    with lock.write_lock():
        bump(counter)
`

// The lock is held by flock(1) on its own descriptor, as scripts do it.
const flockCounts = `
i=0
while [ $i -lt "$4" ]; do
	flock "$1/$2" sh -c 'n=$(cat "$1"); echo $((n + 1)) > "$1"' - "$3" || exit 1
	i=$((i + 1))
done
`

func pythonPeer(script string) func(countJob) *exec.Cmd {
	return func(j countJob) *exec.Cmd {
		return exec.Command(python, "-c", script, j.Folder, j.Name, j.Counter, fmt.Sprint(j.Rounds))
	}
}

func flockPeer(j countJob) *exec.Cmd {
	return exec.Command("/bin/sh", "-c", flockCounts, "sh", j.Folder, j.Name, j.Counter, fmt.Sprint(j.Rounds))
}

// gofrsPeer takes flock(2) alone, through gofrs/flock.
func gofrsPeer(t *testing.T) func(countJob) *exec.Cmd {
	return func(j countJob) *exec.Cmd {
		j.FlockOnly = true
		return j.child(t)
	}
}

// Three of ours and three of theirs, 300 rounds each, on one file; 100 where only our own way of waiting differs.
func TestPeersExclude(t *testing.T) {
	for _, peer := range []struct {
		name string
		need func(testing.TB)
		cmd  func(countJob) *exec.Cmd
		job  countJob
	}{
		{"oslo.concurrency", needPython, pythonPeer(osloCounts), countJob{Oslo: true}},
		{"fasteners", needPython, pythonPeer(fastenersCounts), countJob{Oslo: true}},
		{"fasteners readers and writers", needPython, pythonPeer(fastenersReadsAndCounts), countJob{Oslo: true, Shared: 2}},
		{"flock(1)", needFlock, flockPeer, countJob{}},
		{"flock(1) and flock only", needFlock, flockPeer, countJob{FlockOnly: true}},
		{"gofrs/flock", func(testing.TB) {}, gofrsPeer(t), countJob{}},
		{"oslo.concurrency and fair", needPython, pythonPeer(osloCounts), countJob{Oslo: true, Fair: true}},
		{"oslo.concurrency and polite", needPython, pythonPeer(osloCounts), countJob{Oslo: true, Polite: true}},
		{"flock(1) and fair", needFlock, flockPeer, countJob{Fair: true}},
		{"oslo.concurrency and waits cancelled", needPython, pythonPeer(osloCounts), countJob{Oslo: true, CancelEach: true}},
		{"flock(1) and waits cancelled", needFlock, flockPeer, countJob{CancelEach: true}},
	} {
		t.Run(peer.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting for peers that sleep
			peer.need(t)
			folder, counter := newCounter(t)
			job := peer.job
			job.Folder, job.Counter, job.Name, job.Rounds = folder, counter, "bridge", peerRounds
			if job.Fair || job.Polite || job.CancelEach {
				job.Rounds /= 3
			}
			cmds := make([]*exec.Cmd, 0, 6)
			for range 3 {
				cmds = append(cmds, peer.cmd(job), job.child(t))
			}
			runAll(t, cmds...)
			wantCount(t, counter, 6*job.Rounds)
		})
	}
}

func needFlock(t testing.TB) { testenv.NeedProgram(t, "flock", "util-linux") }
