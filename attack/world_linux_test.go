package attack

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// A world is what one attack has to itself: a configuration that can be trusted, folders, a canary and an audit log.
type world struct {
	t       testing.TB
	dir     string // root's alone
	evil    string // everybody's, made by nobody
	canary  string // exists as soon as root has run something that was not allowed
	config  string
	filters string // the one policy file
	log     string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir, err := os.MkdirTemp(base, "world-")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, evil: filepath.Join(dir, "evil"), canary: filepath.Join(dir, "canary"),
		config: filepath.Join(dir, "privhelper.conf"), filters: filepath.Join(dir, "f.d", "one.filters"), log: filepath.Join(dir, "audit.log")}
	w.must(os.Chmod(dir, 0o755))
	for _, sub := range []string{"evil", "f.d", "bin"} {
		w.must(os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	if os.Geteuid() == 0 {
		w.must(os.Chown(w.evil, testenv.Nobody, testenv.Nobody))
	}
	w.must(os.Chmod(w.evil, 0o777))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// text puts this world's places into a text.
func (w *world) text(s string) string {
	return strings.NewReplacer("@W@", w.dir, "@E@", w.evil, "@C@", w.canary, "@B@", bin("")).Replace(s)
}

func (w *world) texts(list []string) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = w.text(list[i])
	}
	return out
}

// policy writes configuration and rules. Options are further lines of the configuration.
func (w *world) policy(options, rules string) {
	w.t.Helper()
	if os.Geteuid() == 0 {
		options = "audit_file=" + w.log + "\n" + options
	} else if !strings.Contains(options, "capabilities=") {
		options = "capabilities=\n" + options // what is more a namespace of one user does not have
	}
	w.file(w.config, "[DEFAULT]\nfilters_path="+filepath.Dir(w.filters)+"\nexec_dirs=@W@/bin,@B@,/usr/sbin,/usr/bin,/sbin,/bin\n"+options)
	w.file(w.filters, "[Filters]\n"+rules)
}

// file writes a file of root's, of mode 0644.
func (w *world) file(path, text string) {
	w.t.Helper()
	w.must(os.WriteFile(w.text(path), []byte(w.text(text)), 0o644))
}

// program writes a program that tells the canary that it ran.
func (w *world) program(path string) {
	w.t.Helper()
	path = w.text(path)
	w.must(os.WriteFile(path, []byte("#!/bin/sh\necho \"$0\" \"$@\" >>"+w.canary+"\n"), 0o755))
}

// sang says what the canary was told since it was asked last.
func (w *world) sang() string {
	w.t.Helper()
	text, err := os.ReadFile(w.canary)
	if os.IsNotExist(err) {
		return ""
	}
	w.must(err)
	w.must(os.Remove(w.canary))
	return string(text)
}

// A line of the audit log, as far as attacks look at it.
type line struct{ Decision, Event, Refused, Rule, Policy string }

// lines reads the audit log from its beginning. One that is no object of ASCII characters ends the test.
func (w *world) lines() (lines []line) {
	w.t.Helper()
	text, err := os.ReadFile(w.log)
	if os.IsNotExist(err) {
		return nil
	}
	w.must(err)
	for row := range bytes.Lines(text) {
		if os.Geteuid() != 0 && row[0] != '{' {
			continue // the helper's standard error has more than its log
		}
		for _, b := range bytes.TrimSuffix(row, []byte("\n")) {
			if b < ' ' || b > '~' {
				w.t.Fatalf("byte %#x in the audit log", b)
			}
		}
		var l line
		if err := json.Unmarshal(row, &l); err != nil {
			w.t.Fatalf("line %q of the audit log: %v", row, err)
		}
		lines = append(lines, l)
	}
	return lines
}

// decisions are the lines that say what was decided, and only they.
func (w *world) decisions() (n int) {
	w.t.Helper()
	for _, l := range w.lines() {
		if l.Decision != "" {
			n++
		}
	}
	return n
}

func (w *world) read(path string) string {
	w.t.Helper()
	text, err := os.ReadFile(path)
	w.must(err)
	return string(text)
}
