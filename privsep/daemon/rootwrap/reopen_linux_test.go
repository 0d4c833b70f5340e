package rootwrap_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A log that was renamed is followed by a helper that has given up all but uid 0, when SIGHUP says so.
func TestHangupReopensTheLog(t *testing.T) {
	dir := rootsFolder(t)
	log := filepath.Join(dir, "log")
	c := start(t, program(t), "audit_file="+log+"\ncapabilities=\n", "true: CommandFilter, true, root\n")
	run := func(arg string) {
		t.Helper()
		if err := c.Command("true", arg).Run(); err != nil {
			t.Fatal(err)
		}
	}
	run("one")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	run("two")
	if err := syscall.Kill(c.Helper().PID, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(log); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("SIGHUP made no new log: %v", err)
		}
	}
	run("three")
	for path, want := range map[string]int{log: 1, log + ".1": 2} {
		text, err := os.ReadFile(path)
		if err != nil || strings.Count(string(text), "\n") != want {
			t.Errorf("%s: %v, %q; want %d lines", path, err, text, want)
		}
	}
	if text, _ := os.ReadFile(log); !strings.Contains(string(text), `"three"`) {
		t.Errorf("%s", text)
	}
}
