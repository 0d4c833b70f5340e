package fence_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/internal/trust"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon/fence"
)

func TestMain(m *testing.M) {
	testenv.Main(m, testenv.Children{"act": actChild, "rise": riseChild, "one": oneChild})
}

// open opens fences in a folder of the test's, which others may reach.
func open(t testing.TB, dir string, names ...string) *fence.Fences {
	t.Helper()
	f, err := fence.Open(fence.Options{Path: dir, Names: names, Rules: trust.Rules{Untrusted: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func folder(t testing.TB) string { return filepath.Join(t.TempDir(), "fences") }

func content(t testing.TB, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What may pass after what: the greatest token seen is remembered, by others and afterwards too, and each name has its own.
func TestEnter(t *testing.T) {
	dir := folder(t)
	first, second := open(t, dir, "a", "b"), open(t, dir, "a")
	for i, step := range []struct {
		fences *fence.Fences
		name   string
		token  int64
		code   privsep.Code // "": it may pass
		text   string
	}{
		{first, "a", 5, "", ""},
		{first, "a", 5, "", ""}, // the same holder acts again
		{first, "a", 4, privsep.CodeFenced, "fence a: the fencing token 4 is older than 5"},
		{second, "a", 4, privsep.CodeFenced, "older than 5"},
		{second, "a", 9, "", ""},
		{first, "a", 5, privsep.CodeFenced, "older than 9"},
		{first, "b", 1, "", ""},
		{first, "a", 1<<63 - 2, "", ""},
		{first, "a", 1<<63 - 1, privsep.CodeFenced, "no fencing token"},
		{first, "a", -1, privsep.CodeFenced, "no fencing token"},
		{first, "a", 0, privsep.CodeFenced, "a fencing token is needed"},
		{first, "", 7, privsep.CodeFenced, "nothing would look at it"},
		{nil, "", 7, privsep.CodeFenced, "nothing would look at it"},
		{nil, "", 0, "", ""},
		{nil, "a", 5, privsep.CodeFailed, "cannot be judged"},
		{second, "b", 5, privsep.CodeFailed, "cannot be judged"},
	} {
		pass, err := step.fences.Enter(t.Context(), step.name, step.token)
		if step.code == "" {
			if err := errors.Join(err, pass.Leave()); err != nil {
				t.Errorf("step %d: %v", i, err)
			}
			continue
		}
		var e *fence.Error
		if !errors.As(err, &e) || pass != nil {
			t.Errorf("step %d passed: %v", i, err)
			continue
		}
		if r := e.Refusal("rule x"); r.Code != step.code || !strings.Contains(r.Message, step.text) || !strings.HasPrefix(r.Message, "rule x: ") {
			t.Errorf("step %d: %s, %q", i, r.Code, r.Message)
		}
	}
	if got := content(t, dir, "a"); got != "9223372036854775806\n" {
		t.Errorf("the file holds %q", got)
	}
	if pass, err := open(t, dir, "b").Enter(t.Context(), "b", 1); errors.Join(err, pass.Leave()) != nil {
		t.Errorf("opened again: %v", err)
	}
}

// An act of the next holder begins when those of the one before have ended, and not before; those of one holder go on
// beside each other; a wait ends with its context.
func TestAlone(t *testing.T) {
	dir := folder(t)
	f, other := open(t, dir, "a"), open(t, dir, "a")
	one, err := f.Enter(t.Context(), "a", 3)
	if err != nil {
		t.Fatal(err)
	}
	same, err := other.Enter(t.Context(), "a", 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, fences := range []*fence.Fences{f, other} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		_, err = fences.Enter(ctx, "a", 7)
		cancel()
		var e *fence.Error
		if !errors.As(err, &e) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("entered while an older act runs: %v", err)
		}
		if r := e.Refusal(""); r.Code != privsep.CodeDeadline || r.Message != "fence a: an act of an older token still runs" {
			t.Errorf("%s, %q", r.Code, r.Message)
		}
	}
	// The greater token was seen, although it did not come to act.
	if _, err := f.Enter(t.Context(), "a", 3); err == nil {
		t.Error("an older token passes after a greater one was seen")
	}
	entered := make(chan error)
	go func() {
		pass, err := other.Enter(t.Context(), "a", 7)
		entered <- errors.Join(err, pass.Leave())
	}()
	if err := one.Leave(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-entered:
		t.Fatal("entered while one of two older acts runs")
	case <-time.After(50 * time.Millisecond):
	}
	if err := same.Leave(); err != nil {
		t.Fatal(err)
	}
	if err := <-entered; err != nil {
		t.Error(err)
	}
}

func now() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

// actChild acts with tokens around one that rises with the time, in several goroutines, and says when each act began and
// ended.
func actChild(args []string) error {
	f, err := fence.Open(fence.Options{Path: args[0], Names: []string{"a"}, Rules: trust.Rules{Untrusted: true}})
	if err != nil {
		return err
	}
	start, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 100 {
				token := 10 + (now()-start)/int64(4*time.Millisecond) + rand.Int64N(9) - 4
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+rand.IntN(100))*time.Millisecond)
				pass, err := f.Enter(ctx, "a", token)
				cancel()
				if err != nil {
					continue
				}
				began := now()
				time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
				ended := now()
				err = pass.Leave()
				mu.Lock()
				fmt.Println(token, began, ended, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return nil
}

// Of any two acts, in any processes, the one of the smaller token has ended when the other begins.
func TestOrder(t *testing.T) {
	dir := folder(t)
	os.Mkdir(dir, 0o700)
	type act struct{ token, began, ended int64 }
	var acts []act
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := now()
	for range 4 {
		cmd := testenv.Child(t, "act", dir, strconv.FormatInt(start, 10))
		wg.Go(func() {
			out, err := cmd.Output()
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for line := range strings.Lines(string(out)) {
				var a act
				var leave string
				if _, err := fmt.Sscan(line, &a.token, &a.began, &a.ended, &leave); err != nil || leave != "<nil>" {
					t.Errorf("%q: %v", line, err)
				}
				acts = append(acts, a)
			}
		})
	}
	wg.Wait()
	together := 0
	slices.SortFunc(acts, func(a, b act) int { return int(a.began - b.began) })
	for i, a := range acts {
		for _, b := range acts[i+1:] {
			if a.token > b.token || a.token < b.token && a.ended > b.began {
				t.Fatalf("%+v and %+v", a, b)
			}
			if a.ended > b.began {
				together++
			}
		}
	}
	t.Logf("%d acts, %d pairs of one token at the same time", len(acts), together)
	if len(acts) < 80 || together == 0 {
		t.Errorf("%d acts, %d pairs at the same time show nothing", len(acts), together)
	}
}

// riseChild enters with rising tokens and says each before and after.
func riseChild(args []string) error {
	f, err := fence.Open(fence.Options{Path: args[0], Names: []string{"a"}, Rules: trust.Rules{Untrusted: true}})
	if err != nil {
		return err
	}
	from, err := strconv.ParseInt(args[1], 10, 64)
	for token := from; err == nil; token++ {
		var pass *fence.Pass
		if pass, err = f.Enter(context.Background(), "a", token); err == nil {
			fmt.Println(token)
			err = pass.Leave()
		}
	}
	return err
}

// A helper that is killed at any moment leaves a number that is whole, and none smaller than what it let act.
func TestKilled(t *testing.T) {
	dir := folder(t)
	next := int64(1)
	for range 60 {
		cmd := testenv.Child(t, "rise", dir, strconv.FormatInt(next, 10))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		acted, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
		cmd.Process.Kill()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break
			}
			acted = line
		}
		cmd.Wait()
		last, _ := strconv.ParseInt(strings.TrimSpace(acted), 10, 64)
		seen, err := strconv.ParseInt(strings.TrimSpace(content(t, dir, "a")), 10, 64)
		if err != nil || last < next || seen < last || seen > last+1 {
			t.Fatalf("acted with %s, the file holds %d (%v)", acted, seen, err)
		}
		next = seen
	}
}

// oneChild enters once.
func oneChild(args []string) error {
	f, err := fence.Open(fence.Options{Path: args[0], Names: []string{"a"}, Rules: trust.Rules{Untrusted: true}})
	if err != nil {
		return err
	}
	fmt.Println("opened")
	pass, err := f.Enter(context.Background(), "a", 7)
	if err != nil {
		return err
	}
	fmt.Println("entered")
	return pass.Leave()
}

// The number is on the disk before anybody acts: a new file, synced, takes the name, and the folder is synced.
func TestDurable(t *testing.T) {
	strace := testenv.NeedProgram(t, "strace", "strace")
	dir := folder(t)
	child := testenv.Child(t, "one", dir)
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(strace, append([]string{"-f", "-y", "-o", log, "-e", "trace=write,fsync,rename,renameat,renameat2", child.Path}, child.Args[1:]...)...)
	cmd.Env = child.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		testenv.Miss(t, fmt.Sprintf("needs strace(1) to work: %v: %s", err, out))
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for line := range strings.Lines(string(text)) {
		for _, step := range []struct{ call, at string }{
			{"write(", "opened"}, {"write(", "entered"}, {"write(", ".a.new>"}, {"fsync(", ".a.new>"}, {"rename", ".a.new"}, {"fsync(", "/fences>"},
		} {
			if strings.Contains(line, step.call) && strings.Contains(line, step.at) {
				seen = append(seen, step.call+step.at)
			}
		}
	}
	written := []string{"write(.a.new>", "write(.a.new>", "fsync(.a.new>", "rename.a.new", "fsync(/fences>"}
	want := slices.Concat(written, []string{"write(opened"}, written, []string{"write(entered"})
	if !slices.Equal(seen, want) {
		t.Errorf("%q, want %q", seen, want)
	}
}
