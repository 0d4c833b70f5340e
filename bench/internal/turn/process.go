package turn

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Sample is one turn: how long it took, and each of its operations.
type Sample struct {
	Elapsed time.Duration
	Each    []time.Duration
}

// Quantile is the operation of which the share q took less; 0.5 is the median.
func (s Sample) Quantile(q float64) time.Duration {
	slices.Sort(s.Each)
	return s.Each[min(int(float64(len(s.Each))*q), len(s.Each)-1)]
}

// PerSecond is how many operations the turn had in a second.
func (s Sample) PerSecond() float64 { return float64(len(s.Each)) / s.Elapsed.Seconds() }

// A Process is a program that is measured, waiting for its next turn.
type Process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr *bytes.Buffer
}

// Start starts a program that answers turns. The caller closes it.
func Start(argv ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(argv[0], argv[1:]...), stderr: &bytes.Buffer{}}
	p.cmd.Stderr = p.stderr
	p.cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReaderSize(out, 1<<16)
	return p, p.cmd.Start()
}

// Turn has the program work for so long in so many threads.
func (p *Process) Turn(callers int, long time.Duration) (Sample, error) {
	if _, err := fmt.Fprintf(p.in, "%d %d\n", callers, long.Milliseconds()); err != nil {
		return Sample{}, p.explain(err)
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return Sample{}, p.explain(err)
	}
	words := strings.Fields(line)
	if len(words) < 2 {
		return Sample{}, p.explain(fmt.Errorf("%q is no turn", line))
	}
	numbers := make([]time.Duration, len(words))
	for i, word := range words {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return Sample{}, p.explain(err)
		}
		numbers[i] = time.Duration(n)
	}
	return Sample{Elapsed: numbers[0], Each: numbers[1:]}, nil
}

// explain adds what the program said of itself; it is ended first, so that it has said all.
func (p *Process) explain(err error) error {
	p.Close()
	return fmt.Errorf("%s: %w: %s", strings.Join(p.cmd.Args, " "), err, strings.TrimSpace(p.stderr.String()))
}

// Child is the process id of the program's only child.
func (p *Process) Child() (pid int, err error) {
	all, err := Children(p.cmd.Process.Pid)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("%s has %d children", p.cmd.Path, len(all))
	}
	if err != nil {
		return 0, err
	}
	return all[0], nil
}

// Children are the processes that a process has started and that live.
func Children(pid int) (all []int, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that has ended
		}
		for word := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				return nil, err
			}
			all = append(all, child)
		}
	}
	return all, nil
}

// Close ends the program by the end of its input, and where it does not heed that within five seconds, by SIGKILL.
func (p *Process) Close() {
	p.in.Close()
	stubborn := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer stubborn.Stop()
	_ = p.cmd.Wait()
}
