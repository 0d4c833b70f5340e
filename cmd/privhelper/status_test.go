//go:build linux

package main_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/client"
)

// `status` shows a helper, what it runs, and the lock that it holds; and none when it has ended.
func TestStatus(t *testing.T) {
	testenv.NeedRoot(t)
	dir, err := os.MkdirTemp(base, "status")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	config, locks := filepath.Join(dir, "p.conf"), filepath.Join(dir, "locks")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "filters"), 0o755),
		os.WriteFile(filepath.Join(dir, "filters", "a.filters"), []byte("[Filters]\ncat: CommandFilter, cat, root\n[cat]\nlock = one\n"), 0o644),
		os.WriteFile(config, []byte("[DEFAULT]\nfilters_path="+filepath.Join(dir, "filters")+"\nlock_path="+locks+"\ncapabilities=\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	c, err := client.Start(t.Context(), client.Config{Launcher: &client.Direct{Path: binary(), Args: []string{"daemon", "--config", config}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cat := c.Command("cat", "-")
	in, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cat.Start(); err != nil {
		t.Fatal(err)
	}
	type process struct {
		PID      int
		Args     []string
		Locks    []string
		Commands []process
	}
	find := func() *process {
		t.Helper()
		out, err := exec.Command(binary(), "status", "--json").Output()
		var all []process
		if err := errors.Join(err, json.Unmarshal(out, &all)); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, p := range all {
			if p.PID == c.Helper().PID {
				return &p
			}
		}
		return nil
	}
	p := find()
	if p == nil {
		t.Fatal("the helper is not shown")
	}
	isCat := func(c process) bool { return c.PID == cat.Process.Pid && slices.Equal(c.Args, []string{"cat", "-"}) }
	if !slices.Equal(p.Args, []string{"daemon", "--config", config}) || !slices.ContainsFunc(p.Commands, isCat) || !slices.Contains(p.Locks, filepath.Join(locks, "one")) {
		t.Errorf("%+v; the command is %d", p, cat.Process.Pid)
	}
	for option, want := range map[string]string{"--openmetrics": "# EOF", "": "runs cat -"} {
		out, err := exec.Command(binary(), slices.DeleteFunc([]string{"status", option}, func(s string) bool { return s == "" })...).Output()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("status %s: %v\n%s", option, err, out)
		}
	}
	in.Close()
	if err := cat.Wait(); err != nil {
		t.Error(err)
	}
	c.Close()
	if p := find(); p != nil {
		t.Errorf("it has ended: %+v", p)
	}
}
