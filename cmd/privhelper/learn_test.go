//go:build linux

package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/privsep/client"
)

// TestLearn runs and refuses by a learning file, through a daemon and through run: what it alone allows runs with learn =
// allow only and is marked in the log; a file beside it, of a name that begins alike, is no learner; and what no rule
// allows is refused whatever learn says.
func TestLearn(t *testing.T) {
	for _, allow := range []bool{false, true} {
		config := policy(t, "narrow: ArgvFilter, echo, root, narrow\n")
		dir := filepath.Dir(config)
		log := filepath.Join(dir, "log")
		options := fmt.Sprintf("audit_file=%s\nlearn_file=%s/learn.filters\n", log, dir)
		if allow {
			options += "learn=allow\n"
		}
		file, err := os.OpenFile(config, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = file.WriteString(options)
			err = errors.Join(err, file.Close())
		}
		if err = errors.Join(err,
			os.WriteFile(filepath.Join(dir, "learn.filters"), []byte("[Filters]\nbroad: CommandFilter, echo, root\n"), 0o644),
			os.WriteFile(filepath.Join(dir, "learn.filters.filters"), []byte("[Filters]\nother: ArgvFilter, pwd, root\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
		c, err := client.Start(t.Context(), client.Config{Launcher: &client.Direct{Path: binary(), Args: []string{"daemon", "--config", config}}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for by, output := range map[string]func(argv ...string) ([]byte, error){
			"daemon": func(argv ...string) ([]byte, error) { return c.Command(argv[0], argv[1:]...).Output() },
			"run": func(argv ...string) ([]byte, error) {
				return exec.Command(binary(), append([]string{"run", "--config", config, "--"}, argv...)...).Output()
			},
		} {
			if err := os.Truncate(log, 0); err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, one := range []struct {
				argv, rule string
				learned    bool
				runs       bool
			}{
				{"echo narrow", "narrow", false, true},
				{"echo broad", "broad", true, allow},
				{"pwd", "other", false, true},
				{"id", "", false, false},
				{"pwd -P", "", false, false},
			} {
				out, err := output(strings.Fields(one.argv)...)
				if ran := err == nil; ran != one.runs || !ran && len(out) > 0 {
					t.Errorf("learn allow %v, %s, %s: %q, %v", allow, by, one.argv, out, err)
				}
				decision := "unauthorized"
				if one.runs {
					decision = "match"
				}
				want = append(want, fmt.Sprint(decision, one.learned, one.rule))
			}
			if got := learned(t, log); !slices.Equal(got, want) {
				t.Errorf("learn allow %v, %s: the log has %q, want %q", allow, by, got, want)
			}
		}
	}
}

// learned returns of each line of an audit log its decision, whether it was learned, and the rule.
func learned(t *testing.T, log string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var o struct {
			Decision, Rule string
			Learned        bool
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, fmt.Sprint(o.Decision, o.Learned, o.Rule))
	}
	return all
}
