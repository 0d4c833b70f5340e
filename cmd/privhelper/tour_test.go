//go:build linux

package main_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

var updateTour = flag.Bool("update-tour", false, "write what the commands of docs/tour.md print into it")

const tourFile = "../../docs/tour.md"

// A stop is a command of the tour, and what the page says that it prints.
type stop struct {
	command string
	want    []string
	line    int // of the page
}

// tourPrologue makes a world whose /etc, /run and /var/log are its own. The binary is the first in PATH.
const tourPrologue = `mkdir etc
mount -t tmpfs -o mode=0755 none etc
cp -a /etc/. etc/
mount --bind etc /etc
mount -t tmpfs -o mode=0755 none /run
mount -t tmpfs -o mode=0755 none /var/log
umask 022
`

// blanks at the end of a line have no place in a page.
var blanks = regexp.MustCompile(`(?m)[ \t]+$`)

// step divides what commands print.
const step = "\x01step\x01"

// readTour returns the page as a script, and its commands. A fence after a line with a file's name is that file; lines
// with a $ in one for the console are commands.
func readTour(t *testing.T, page string) (script string, stops []stop) {
	t.Helper()
	var b strings.Builder
	b.WriteString(tourPrologue)
	name := regexp.MustCompile("^`(/[^`]+)`:$")
	file, fence := "", ""
	for i, line := range strings.Split(page, "\n") {
		switch {
		case fence == "" && strings.HasPrefix(line, "```"):
			fence = strings.TrimPrefix(line, "```") + " "
			if file != "" {
				fmt.Fprintf(&b, "mkdir -p %s\ncat >%s <<'END-OF-FILE'\n", filepath.Dir(file), file)
			}
		case fence == "":
			if m := name.FindStringSubmatch(line); m != nil {
				file = m[1]
			}
		case line == "```":
			if file != "" {
				b.WriteString("END-OF-FILE\n")
			}
			file, fence = "", ""
		case file != "":
			b.WriteString(line + "\n")
		case fence == "console " && strings.HasPrefix(line, "$ "):
			stops = append(stops, stop{command: line[2:], line: i + 1})
			fmt.Fprintf(&b, "printf '%%s\\n' '%s'\n{ %s\n} 2>&1\n", step, line[2:])
		case fence == "console " && len(stops) > 0:
			stops[len(stops)-1].want = append(stops[len(stops)-1].want, line)
		default:
			t.Fatalf("%s:%d: a fence that is neither a file nor for the console", tourFile, i+1)
		}
	}
	return b.String(), stops
}

// TestTour runs every command of docs/tour.md, in order, and compares what each prints with what the page says.
func TestTour(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedProgram(t, "ip", "iproute2")
	needMounts(t)
	text, err := os.ReadFile(tourFile)
	if err != nil {
		t.Fatal(err)
	}
	script, stops := readTour(t, string(text))
	dir, err := os.MkdirTemp(base, "tour-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", script)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Join(base, "bin") + ":/usr/sbin:/usr/bin:/sbin:/bin"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	printed := strings.Split(string(out), step+"\n")
	if printed[0] != "" || len(printed) != len(stops)+1 || len(stops) == 0 {
		t.Fatalf("%d of %d commands ran: %q", len(printed)-1, len(stops), printed[0])
	}
	lines := strings.Split(string(text), "\n")
	for i := len(stops) - 1; i >= 0; i-- {
		s, got := stops[i], strings.TrimSuffix(blanks.ReplaceAllString(printed[i+1], ""), "\n")
		if *updateTour {
			after := lines[s.line+len(s.want):]
			lines = append(lines[:s.line:s.line], strings.Split(got, "\n")...)
			if got == "" {
				lines = lines[:s.line]
			}
			lines = append(lines, after...)
		} else if want := strings.Join(s.want, "\n"); got != want {
			t.Errorf("%s:%d: $ %s\nprints\n%s\nand the page says\n%s", tourFile, s.line, s.command, got, want)
		}
	}
	if *updateTour {
		if err := os.WriteFile(tourFile, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
