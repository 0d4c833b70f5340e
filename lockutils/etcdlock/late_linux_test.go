package etcdlock_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils/etcdlock"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// fencedHelper is a root helper whose one rule demands a token, and lets who has it write a line into a file of dir.
func fencedHelper(dir string) {
	config := "[DEFAULT]\nfilters_path=/nonexistent\ncapabilities=\nfence_path=" + filepath.Join(dir, "fences") + "\n"
	policy := "[Filters]\nact: RegExpFilter, sh, root, sh, -c, echo [0-9]+ >>" + dir + "/acts\n[act]\nfence = x\n"
	load := func() (*host.Loaded, error) {
		cfg, _, err := filters.ParseConfig("built-in.conf", []byte(config), true)
		if err != nil {
			return nil, err
		}
		p, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "built-in.filters", Text: []byte(policy)}})
		if err != nil {
			return nil, err
		}
		return host.New(cfg, p, host.Options{UntrustedFiles: true})
	}
	daemon.New(daemon.Options{Commands: rootwrap.New(rootwrap.Options{Load: load})}).Main()
}

// startHelper starts program, this test binary, as fencedHelper: as root, or as root of a user namespace.
func startHelper(program, dir string) (*client.Client, error) {
	var l client.Launcher = &client.Direct{Path: program, Args: []string{"helper", dir}}
	if os.Geteuid() != 0 {
		l = &client.UserNamespace{Path: program, Args: []string{"helper", dir}}
	}
	return client.Start(context.Background(), client.Config{Launcher: l})
}

// act is the privileged act: token comes to stand in the file.
func act(helper *client.Client, dir string, token int64) error {
	cmd := helper.Command("sh", "-c", fmt.Sprintf("echo %d >>%s/acts", token, dir))
	cmd.Token = token
	return cmd.Run()
}

// lateChild takes a lock and says its token. At each line of input it looks whether the lock is lost, acts in any case, by
// a root helper of its own, and says both.
func lateChild(args []string) error {
	helper, err := startHelper(os.Args[0], args[2])
	if err != nil {
		return err
	}
	defer helper.Close()
	l, err := etcdlock.Open(context.Background(), args[0], etcdlock.Options{})
	if err != nil {
		return err
	}
	held, err := l.Lock(context.Background(), args[1])
	if err != nil {
		return err
	}
	return obey(held, func() string {
		switch err := act(helper, args[2], held.Token()); {
		case err == nil:
			return ", acted"
		case errors.Is(err, privsep.CodeFenced):
			return ", refused"
		default:
			return ", " + err.Error()
		}
	})
}

// A holder that was stopped for two TTLs finds its lock lost before it acts, and what it does all the same is refused by
// its own root helper, because the next holder has acted by another.
func TestLateAct(t *testing.T) {
	c := startCluster(t, 3)
	l := c.open("/late?ttl=3s")
	dir := t.TempDir()
	child := testenv.Child(t, "late", c.url("/late?ttl=3s"), "x", dir)
	h := startHolder(t, child)
	if state := h.state(t); state != "held, acted" {
		t.Fatal(state)
	}
	stopped := h.stop(t)
	fmt.Fprintln(h.in, "?") // the first that it reads when it goes on
	held := lock(t, l, "x")
	if held.Token() <= h.token {
		t.Errorf("token %d after %d", held.Token(), h.token)
	}
	helper, err := startHelper(child.Path, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer helper.Close()
	if err := act(helper, dir, held.Token()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(stopped.Add(6 * time.Second)))
	h.cmd.Process.Signal(syscall.SIGCONT)
	if state := h.line(t); state != "lost, refused" {
		t.Errorf("after two TTLs: %s", state)
	}
	if err := act(helper, dir, held.Token()); err != nil {
		t.Errorf("the holder, after another's late act: %v", err)
	}
	want := fmt.Sprintf("%d\n%[2]d\n%[2]d\n", h.token, held.Token())
	if acts, err := os.ReadFile(filepath.Join(dir, "acts")); string(acts) != want {
		t.Errorf("%v, acted with tokens:\n%swant:\n%s", err, acts, want)
	}
	unlock(t, held)
}
