package processutils_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/processutils"
)

// osloCase is one call of oslo.concurrency beside one of ours.
type osloCase struct {
	Cmd []string       `json:"cmd,omitempty"`
	KW  map[string]any `json:"kw,omitempty"`

	ours    func(*processutils.Cmd)         // what KW is here
	runner  processutils.Runner             // Local where it is nil
	differs string                          // the name of the difference
	how     func(theirs, ours outcome) bool // that it is this one
}

// outcome is what came of a case, in oslo's words.
type outcome struct {
	Error  string `json:"error"`
	Code   int    `json:"code"`
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
	Cmd    string `json:"cmd"`
}

func sh(script string, args ...string) []string {
	return append([]string{"/bin/sh", "-c", script, "sh"}, args...)
}

// osloCases are made anew for each side and each user: some leave marks in dir.
func osloCases(dir string) (cases []osloCase) {
	add := func(c osloCase) { cases = append(cases, c) }
	// Forms of exit codes.
	for _, end := range []string{"exit 0", "exit 1", "exit 3", "exit 255", "kill -9 $$", "kill -TERM $$"} {
		for _, form := range []struct {
			kw     any
			accept []int
			any    bool
		}{{nil, nil, false}, {true, nil, false}, {false, nil, true}, {0, []int{0}, false}, {3, []int{3}, false}, {[]int{0, 3}, []int{0, 3}, false}, {[]int{-9}, []int{-9}, false}, {255, []int{255}, false}, {[]int{}, []int{}, false}} {
			kw := map[string]any{}
			if form.kw != nil {
				kw["check_exit_code"] = form.kw
			}
			add(osloCase{Cmd: sh("echo out; echo err >&2; " + end), KW: kw, ours: func(c *processutils.Cmd) { c.Accept, c.AcceptAny = form.accept, form.any }})
		}
	}
	// Attempts, each with the whole input.
	for n, script := range []string{"cat; exit 0", "cat; exit 1", `cat; echo x >>"$1"; test $(wc -l <"$1") -ge 3`} {
		for _, attempts := range []int{1, 2, 3, 5} {
			args := []string{}
			if n == 2 {
				args = append(args, filepath.Join(dir, fmt.Sprint("mark", attempts)))
			}
			add(osloCase{Cmd: sh(script, args...), KW: map[string]any{"attempts": attempts, "delay_on_retry": false, "process_input": "in\x80put"},
				ours:   func(c *processutils.Cmd) { c.Input = []byte("in\x80put") },
				runner: processutils.Retry{Attempts: attempts, MaxDelay: none}})
		}
	}
	// Bytes that are no text: in arguments, environment, both outputs and errors.
	for _, code := range []string{"0", "1"} {
		add(osloCase{Cmd: sh(`printf '%s %s \377' "$1" "$A"; printf '\376\n' >&2; exit $2`, "a\xffb", code),
			KW:   map[string]any{"env_variables": map[string]string{"A": "\xfd", "PATH": "/usr/bin:/bin"}},
			ours: func(c *processutils.Cmd) { c.Env, c.OnlyEnv = []string{"A=\xfd", "PATH=/usr/bin:/bin"}, true }})
	}
	// Environment, folder, program by the PATH that it gets.
	add(osloCase{Cmd: []string{"env"}, KW: map[string]any{"env_variables": map[string]string{"B": "1"}}, ours: func(c *processutils.Cmd) { c.Env, c.OnlyEnv = []string{"B=1"}, true }})
	add(osloCase{Cmd: []string{"pwd"}, KW: map[string]any{"cwd": "/proc"}, ours: func(c *processutils.Cmd) { c.Dir = "/proc" }})
	add(osloCase{Cmd: []string{"ls", "/"}, KW: map[string]any{"env_variables": map[string]string{"PATH": "/nowhere"}}, ours: func(c *processutils.Cmd) { c.Env, c.OnlyEnv = []string{"PATH=/nowhere"}, true }})
	add(osloCase{Cmd: []string{"no-such-program"}, KW: map[string]any{"env_variables": map[string]string{"PATH": "/usr/bin:/bin"}}, ours: func(c *processutils.Cmd) { c.Env, c.OnlyEnv = []string{"PATH=/usr/bin:/bin"}, true }})
	add(osloCase{Cmd: []string{"/etc/passwd"}})
	// Python's shell=True puts the arguments from $0 on, Shell from $1 on.
	add(osloCase{Cmd: []string{`echo "$0"`, "x"}, KW: map[string]any{"shell": true}, ours: func(c *processutils.Cmd) { *c = processutils.Shell(`echo "$1"`, "x") }})
	// trycmd.
	for _, discard := range []bool{false, true} {
		add(osloCase{Cmd: sh("echo out; echo warning >&2"), KW: map[string]any{"trycmd": true, "discard_warnings": discard}, ours: func(c *processutils.Cmd) { c.DiscardWarnings = discard }})
	}
	// What the command inherits.
	add(osloCase{Cmd: sh("grep -E '^Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd")})
	// A root helper; who is root needs none.
	for _, helper := range []string{"env X=1", `env 'X=two words' Y="a'b"`, "", "/no/such/helper --", "'"} {
		add(osloCase{Cmd: sh(`echo "$X|$Y|$1"`, "arg"), KW: map[string]any{"run_as_root": true, "root_helper": helper}, runner: processutils.Prefix{Helper: helper}})
	}
	// The ten limits, one by one and together.
	all := map[string]any{"address_space": uint64(1 << 33), "core_file_size": uint64(0), "cpu_time": uint64(100), "data_size": uint64(1 << 32),
		"file_size": uint64(1 << 20), "memory_locked": uint64(4096), "number_files": uint64(50), "number_processes": uint64(5000),
		"resident_set_size": uint64(1 << 30), "stack_size": uint64(1 << 22)}
	limits := func(which map[string]any) func(*processutils.Cmd) {
		return func(c *processutils.Cmd) {
			l := &c.Limits
			for name, field := range map[string]**processutils.Limit{"address_space": &l.AddressSpace, "core_file_size": &l.CoreFileSize,
				"cpu_time": &l.CPUTime, "data_size": &l.DataSize, "file_size": &l.FileSize, "memory_locked": &l.MemoryLocked, "number_files": &l.NumberFiles,
				"number_processes": &l.NumberProcesses, "resident_set_size": &l.ResidentSetSize, "stack_size": &l.StackSize} {
				if n, ok := which[name]; ok {
					*field = processutils.Max(n.(uint64))
				}
			}
		}
	}
	readLimits := []string{"grep", "-v", "^Max file locks", "/proc/self/limits"} // a difference with a name: marked
	for name, n := range all {
		one := map[string]any{name: n}
		add(osloCase{Cmd: readLimits, KW: map[string]any{"prlimit": one}, ours: limits(one)})
	}
	add(osloCase{Cmd: readLimits, KW: map[string]any{"prlimit": all}, ours: limits(all)})

	// Where ours is stricter, by name; docs/from-oslo.md has the names.
	add(osloCase{differs: "default-signals", Cmd: sh("exec head -c 10000 /dev/zero >" + filepath.Join(dir, "file")), KW: map[string]any{"prlimit": map[string]any{"file_size": uint64(100)}}, ours: limits(map[string]any{"file_size": uint64(100)}),
		how: func(theirs, ours outcome) bool {
			return theirs.Code == 1 && strings.Contains(theirs.Stderr, "File too large") && ours.Code == -int(syscall.SIGXFSZ)
		}})
	if os.Geteuid() != 0 {
		add(osloCase{differs: "blank-root-helper", Cmd: []string{"id", "-u"}, KW: map[string]any{"run_as_root": true, "root_helper": "  "}, runner: processutils.Prefix{Helper: "  "},
			how: func(theirs, ours outcome) bool { return theirs.Error == "" && ours.Error == "NoRootWrapSpecified" }})
	}
	add(osloCase{differs: "limit-error", Cmd: []string{"true"}, KW: map[string]any{"prlimit": map[string]any{"number_files": uint64(1 << 40)}}, ours: limits(map[string]any{"number_files": uint64(1 << 40)}),
		how: func(theirs, ours outcome) bool {
			return theirs.Error == "ProcessExecutionError" && theirs.Code == 1 && ours.Error == "LimitError"
		}})
	add(osloCase{differs: "deadline-ends-the-tree", Cmd: []string{"sleep", "0.5"}, KW: map[string]any{"timeout": 0.1}, ours: func(c *processutils.Cmd) { c.Timeout = 100 * time.Millisecond },
		how: func(theirs, ours outcome) bool {
			return theirs.Error == "TimeoutExpired" && ours.Error == "ProcessExecutionError" && ours.Code == -15
		}})
	add(osloCase{differs: "missing-limited-program", Cmd: []string{"/no/such/program"}, KW: map[string]any{"prlimit": map[string]any{"number_files": uint64(50)}}, ours: limits(map[string]any{"number_files": uint64(50)}),
		how: func(theirs, ours outcome) bool {
			return theirs.Error == "ProcessExecutionError" && theirs.Code == 1 && ours.Error == "OSError" && ours.Code == int(syscall.ENOENT)
		}})
	add(osloCase{differs: "masks-more", Cmd: sh(`echo "$2"; exit 1`, "mysql", "-pSecret"), how: func(theirs, ours outcome) bool {
		return strings.Contains(theirs.Stdout+theirs.Cmd, "Secret") && !strings.Contains(ours.Cmd, "Secret")
	}})
	return cases
}

// ask has oslo.concurrency run the cases.
func ask(cases any, replies any) error {
	text, err := json.Marshal(cases)
	if err != nil {
		return err
	}
	script, err := os.ReadFile("testdata/oslo.py")
	if err != nil {
		return err
	}
	python := exec.Command("/usr/bin/python3", "-c", string(script))
	python.Stdin = bytes.NewReader(text)
	var stderr bytes.Buffer
	python.Stderr = &stderr
	out, err := python.Output()
	if err != nil {
		return fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	return json.Unmarshal(out, replies)
}

// answer runs a case by ours and says in oslo's words what came of it.
func (c osloCase) answer() outcome {
	cmd := processutils.Cmd{Args: c.Cmd}
	if c.ours != nil {
		c.ours(&cmd)
	}
	runner := c.runner
	if runner == nil {
		runner = local
	}
	res, err := runner.Run(context.Background(), cmd)
	var failed *processutils.ExecError
	var limit *processutils.LimitError
	var errno syscall.Errno
	switch {
	case err == nil:
		return outcome{Stdout: res.Stdout.String(), Stderr: res.Stderr.String()}
	case errors.Is(err, processutils.ErrNoRootHelper):
		return outcome{Error: "NoRootWrapSpecified"}
	case errors.As(err, &limit):
		return outcome{Error: "LimitError"}
	case !errors.As(err, &failed):
		return outcome{Error: err.Error()}
	case failed.Stage == processutils.StageExec:
		switch {
		case errors.Is(err, fs.ErrPermission):
			return outcome{Error: "OSError", Code: int(syscall.EACCES)}
		case errors.Is(err, exec.ErrNotFound):
			return outcome{Error: "OSError", Code: int(syscall.ENOENT)}
		}
		errors.As(err, &errno)
		return outcome{Error: "OSError", Code: int(errno)}
	case failed.Stage == processutils.StageStart:
		return outcome{Error: "ValueError"} // a root helper with a quotation that does not close
	}
	code := failed.ExitCode()
	if failed.Signal() != 0 {
		code = -int(failed.Signal())
	}
	return outcome{Error: "ProcessExecutionError", Code: code, Stdout: failed.Stdout.String(), Stderr: failed.Stderr.String(), Cmd: processutils.Quote(failed.Args)}
}

// sideBySide runs all cases by both and says what differs without a name, or does not differ where a name says so.
func sideBySide() (differences []string, count int, err error) {
	dir, err := os.MkdirTemp("", "oslo")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(dir)
	theirDir, ourDir := filepath.Join(dir, "t"), filepath.Join(dir, "o")
	if err := errors.Join(os.Mkdir(theirDir, 0o755), os.Mkdir(ourDir, 0o755)); err != nil {
		return nil, 0, err
	}
	asked := osloCases(theirDir)
	latin := make([]osloCase, len(asked))
	for i, c := range asked {
		latin[i] = osloCase{KW: latinValues(c.KW)}
		for _, arg := range c.Cmd {
			latin[i].Cmd = append(latin[i].Cmd, toLatin(arg))
		}
	}
	var replies []outcome
	if err := ask(latin, &replies); err != nil {
		return nil, 0, err
	}
	ours := osloCases(ourDir)
	byKey := map[string]osloCase{} // the order of the limits is a map's
	for _, c := range ours {
		byKey[c.key(ourDir)] = c
	}
	for i, c := range asked {
		mine, found := byKey[c.key(theirDir)]
		if !found {
			return nil, 0, fmt.Errorf("no case %s", c.key(theirDir))
		}
		theirs, got := replies[i], mine.answer()
		theirs.Stdout, theirs.Stderr, theirs.Cmd = fromLatin(theirs.Stdout), fromLatin(theirs.Stderr), fromLatin(theirs.Cmd)
		same := theirs.Error == got.Error && theirs.Code == got.Code && theirs.Stdout == got.Stdout && theirs.Stderr == got.Stderr
		switch {
		case c.differs == "" && !same:
			differences = append(differences, fmt.Sprintf("%q %v:\n  oslo %+v\n  ours %+v", c.Cmd, c.KW, theirs, got))
		case c.differs != "" && !c.how(theirs, got):
			differences = append(differences, fmt.Sprintf("%s is another difference:\n  oslo %+v\n  ours %+v", c.differs, theirs, got))
		}
	}
	return differences, len(asked), nil
}

func (c osloCase) key(dir string) string {
	text, _ := json.Marshal(c.KW) // its keys are sorted
	return strings.ReplaceAll(fmt.Sprintf("%q %s %s", c.Cmd, text, c.differs), dir, "DIR")
}

// toLatin makes a text of bytes in which every byte is a character, and fromLatin the bytes again.
func toLatin(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

func fromLatin(s string) string {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

func latinValues(kw map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range kw {
		switch v := v.(type) {
		case string:
			out[k] = toLatin(v)
		case map[string]string:
			m := map[string]string{}
			for name, value := range v {
				m[name] = toLatin(value)
			}
			out[k] = m
		default:
			out[k] = v
		}
	}
	return out
}

func needOslo(t *testing.T) {
	t.Helper()
	if exec.Command("/usr/bin/python3", "-c", "import oslo_concurrency.processutils").Run() != nil {
		testenv.Miss(t, "needs oslo.concurrency (Debian package python3-oslo.concurrency)")
	}
}

// The same calls by oslo.concurrency and by ours come to the same, except where a case names how ours is stricter.
func TestSideBySideWithOslo(t *testing.T) {
	needOslo(t)
	differences, count, err := sideBySide()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d calls", count)
	for _, d := range differences {
		t.Error(d)
	}
}

// The same as a user who is not root, for whom a root helper matters.
func TestSideBySideWithOsloAsUser(t *testing.T) {
	needOslo(t)
	testenv.NeedRoot(t) // else the test above was it
	child := testenv.Child(t, "side-by-side")
	testenv.AsUser(t, child)
	for _, line := range strings.Split(strings.TrimSpace(string(testenv.Output(t, child))), "\n\n") {
		if line != "" {
			t.Error(line)
		}
	}
}

func sideBySideChild([]string) error {
	differences, _, err := sideBySide()
	fmt.Print(strings.Join(differences, "\n\n"))
	return err
}

// SplitWords is shlex.split.
func TestSplitWordsAgainstPython(t *testing.T) {
	needOslo(t)
	pieces := []string{"a", " ", "'", `"`, `\`, "\t", "$x", "#", "\xff", "-n"}
	var cases []map[string]string
	var texts []string
	for _, a := range pieces {
		for _, b := range pieces {
			for _, c := range pieces {
				for _, d := range []string{"", "'", `"`, `\b`} {
					texts = append(texts, a+b+c+d)
					cases = append(cases, map[string]string{"split": toLatin(a + b + c + d)})
				}
			}
		}
	}
	var replies []struct {
		Words []string
		Error string
	}
	if err := ask(cases, &replies); err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		got, err := processutils.SplitWords(text)
		for j := range got {
			got[j] = toLatin(got[j])
		}
		if (err != nil) != (replies[i].Error != "") || !slices.Equal(got, replies[i].Words) {
			t.Errorf("%q: %q, %v, Python says %q, %s", text, got, err, replies[i].Words, replies[i].Error)
		}
	}
}
