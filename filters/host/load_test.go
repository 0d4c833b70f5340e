//go:build linux

package host_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/internal/trust"
)

// write makes a file with its folders.
func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestConfigCases loads the oracle's odd configurations: where rootwrap ends with 97 or dies, so does Load, with the
// file; where it goes on, Load does. (The exit codes of what then runs are tested with the command.)
func TestConfigCases(t *testing.T) {
	f, err := os.Open(filepath.Join(testenv.Oracle(t), "config_cases.jsonl"))
	must(t, err)
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var c struct {
			Name, Filters, StderrLast string
			Conf                      *string
			RC                        int
		}
		must(t, json.Unmarshal(testenv.PythonJSON(lines.Bytes()), &c))
		t.Run(c.Name, func(t *testing.T) {
			dir := rootDir(t)
			if c.Conf != nil {
				conf := *c.Conf
				if strings.Contains(conf, "[DEFAULT]\n") {
					conf += "semantics=oslo\n"
				}
				write(t, dir+"/r.conf", strings.NewReplacer("@D", dir, "@S", dir+"/stubs").Replace(conf))
			}
			write(t, dir+"/f.d/x.filters", c.Filters)
			loaded, err := host.Load(dir+"/r.conf", options())
			if c.Name == "baduser" { // the rule's command fails when it is run
				must(t, err)
				if _, err := loaded.LookupUser("no_such_user_x"); err == nil || len(loaded.Warnings) != 1 {
					t.Errorf("the user is known: %v", loaded.Warnings)
				}
				return
			}
			if wantErr := c.RC == 97 || c.RC == 1; wantErr != (err != nil) {
				t.Fatalf("rootwrap ends with %d, Load: %v", c.RC, err)
			}
			var e *filters.Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("%v is not *filters.Error", err)
			}
		})
	}
	if n < 20 {
		t.Errorf("only %d cases", n)
	}
}

// TestLoad: what is read, in which order, and what stops it.
func TestLoad(t *testing.T) {
	const rule = "[Filters]\na: CommandFilter, a, root\n"
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		strict  string // part of the error; "" loads
		oslo    string
	}{
		{"plain", func(*testing.T, string) {}, "", ""},
		{"unknown user", func(t *testing.T, dir string) {
			write(t, dir+"/f.d/u.filters", "[Filters]\nu: CommandFilter, u, no_such_user_x\n")
		}, `u.filters:2: rule "u": user "no_such_user_x" is not in /etc/passwd`, ""},
		{"FIFO", func(t *testing.T, dir string) { must(t, unix.Mkfifo(dir+"/f.d/p.filters", 0o644)) }, "is a FIFO", ""},
		{"folder", func(t *testing.T, dir string) { must(t, os.Mkdir(dir+"/f.d/p.filters", 0o755)) }, "is a folder", ""},
		{"device", func(t *testing.T, dir string) { must(t, os.Symlink("/dev/zero", dir+"/f.d/zero.filters")) }, "zero", ""},
		{"loop", func(t *testing.T, dir string) { must(t, os.Symlink("p.filters", dir+"/f.d/p.filters")) }, "p.filters leads by links round in a loop", ""},
		{"dangling", func(t *testing.T, dir string) { must(t, os.Symlink("gone", dir+"/f.d/p.filters")) }, "f.d/gone, which does not exist: remove the link", ""},
		{"dangling configuration", func(t *testing.T, dir string) {
			must(t, os.Remove(dir+"/r.conf"))
			must(t, os.Symlink("gone", dir+"/r.conf"))
		}, "r.conf leads by a link to", "r.conf leads by a link to"},
		{"large", func(t *testing.T, dir string) { write(t, dir+"/f.d/p.filters", strings.Repeat("#\n", 1<<19)+"#") }, "is larger than", "is larger than"},
		{"other name", func(t *testing.T, dir string) { write(t, dir+"/f.d/README", "no rules") }, "", "README:1: "},
		{"hidden", func(t *testing.T, dir string) { write(t, dir+"/f.d/.x.filters", "no rules") }, "", ""},
		{"no section", func(t *testing.T, dir string) { write(t, dir+"/f.d/p.filters", "") }, "p.filters:1: has no section [Filters]", "has no section [Filters]"},
		{"folder is a file", func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir+"/f.d"))
			write(t, dir+"/f.d", rule)
		}, "not a folder", "not a folder"},
		{"trusted group", func(t *testing.T, dir string) {
			text, err := os.ReadFile(dir + "/r.conf")
			must(t, err)
			write(t, dir+"/r.conf", string(text)+"trusted_groups = no_such_group_x\n")
		}, `r.conf:4: trusted_groups: group "no_such_group_x" is not in /etc/group`, "r.conf:4: "},
	} {
		for semantics, want := range map[string]string{"strict": test.strict, "oslo": test.oslo} {
			t.Run(test.name+"/"+semantics, func(t *testing.T) {
				dir := rootDir(t)
				write(t, dir+"/r.conf", "[DEFAULT]\nfilters_path="+dir+"/f.d,"+dir+"/none\nsemantics="+semantics+"\n")
				write(t, dir+"/f.d/b.filters", rule)
				write(t, dir+"/f.d/a.filters", "[Filters]\nfirst: CommandFilter, a, root\n")
				test.prepare(t, dir)
				loaded, err := host.Load(dir+"/r.conf", options())
				if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
					t.Fatalf("%v, want %q", err, want)
				}
				if err != nil {
					if loaded != nil {
						t.Error("there is a Loaded beside the error")
					}
					return
				}
				if loaded.Policy.Rules()[0].Name != "first" || loaded.Files[1] != dir+"/f.d/a.filters" {
					t.Errorf("files %q", loaded.Files)
				}
				if !slices.ContainsFunc(loaded.Warnings, func(w filters.Warning) bool { return strings.Contains(w.Msg, dir+"/none") }) {
					t.Errorf("no word of the folder that is not there: %v", loaded.Warnings)
				}
			})
		}
	}
}

// TestOwn: what is not known is an error in privhelper's own configuration, and a warning in
// rootwrap's.
func TestOwn(t *testing.T) {
	dir := rootDir(t)
	write(t, dir+"/f.d/a.filters", "[Filters]\na: CommandFilter, a, root\n")
	text := "[DEFAULT]\nfilters_path=" + dir + "/f.d\nno_such_option=1\n"
	paths := map[string]bool{dir + "/privhelper.conf": true, dir + "/rootwrap.conf": false}
	for path, own := range paths {
		write(t, path, text)
		loaded, err := host.Load(path, options())
		if own != (err != nil) || own && !strings.Contains(err.Error(), path+`:3: option "no_such_option" is not known`) {
			t.Errorf("%s: %v", path, err)
		}
		if !own && (len(loaded.Warnings) != 1 || loaded.Warnings[0].Line != 3) {
			t.Errorf("%s: %v", path, loaded.Warnings)
		}
	}
}

// TestNew: a policy that stands in no file knows the users of its rules, or is refused for them.
func TestNew(t *testing.T) {
	for runAs, want := range map[string]string{"65533:65532": "", "root": "", "no_such_user_x": `x.filters:2: rule "t": user "no_such_user_x"`} {
		cfg := filters.Config{ExecDirs: []string{"/usr/bin"}}
		p, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "x.filters", Text: []byte("[Filters]\nt: CommandFilter, true, " + runAs + "\n")}})
		must(t, err)
		l, err := host.New(cfg, p, host.Options{})
		if (err == nil) != (want == "") || err != nil && (l != nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", runAs, err)
		}
		if err != nil {
			continue
		}
		if a, err := l.LookupUser(runAs); err != nil || runAs != "root" && a.UID != 65533 {
			t.Errorf("%s is %+v, %v", runAs, a, err)
		}
	}
	if _, err := host.New(filters.Config{TrustedGroups: []string{"no_such_group_x"}}, &filters.Policy{}, host.Options{}); err == nil {
		t.Error("a group that does not exist is trusted")
	}
}

// TestLoadTrust: in both semantics, files that others can write are not obeyed, and no file vouches for itself.
func TestLoadTrust(t *testing.T) {
	testenv.NeedRoot(t)
	for _, semantics := range []string{"strict", "oslo"} {
		for _, test := range []struct {
			path string
			want bool
		}{{"r.conf", false}, {"f.d", true}, {"f.d/a.filters", true}} {
			dir := rootDir(t)
			write(t, dir+"/r.conf", "[DEFAULT]\nfilters_path="+dir+"/f.d\ntrusted_groups = nogroup\nsemantics="+semantics+"\n")
			write(t, dir+"/f.d/a.filters", "[Filters]\na: CommandFilter, a, root\n")
			path := filepath.Join(dir, test.path)
			must(t, os.Chown(path, 0, 65534))
			must(t, os.Chmod(path, 0o775))
			_, err := host.Load(dir+"/r.conf", host.Options{})
			var e *trust.Error
			if (err == nil) != test.want || err != nil && (!errors.As(err, &e) || !strings.Contains(err.Error(), test.path+" is writable by group")) {
				t.Errorf("%s: %s of a trusted group: %v", semantics, test.path, err)
			}
			must(t, os.Chmod(path, 0o777))
			if _, err := host.Load(dir+"/r.conf", host.Options{}); err == nil || !strings.Contains(err.Error(), "writable by everybody") {
				t.Errorf("%s: %s writable by everybody: %v", semantics, test.path, err)
			}
			if _, err := host.Load(dir+"/r.conf", host.Options{UntrustedFiles: true}); err != nil {
				t.Errorf("%s: for a policy's author: %v", semantics, err)
			}
		}
	}
}

// TestLookupUser: groups come with the user, ids alone bring none (doas CVE-2019-15901).
func TestLookupUser(t *testing.T) {
	dir := rootDir(t)
	write(t, dir+"/r.conf", "[DEFAULT]\nfilters_path="+dir+"/f.d\n")
	write(t, dir+"/f.d/a.filters", "[Filters]\na: CommandFilter, a, root\nb: CommandFilter, b, 65533:65533\n")
	loaded, err := host.Load(dir+"/r.conf", options())
	must(t, err)
	for runAs, want := range map[string]string{"root": "root 0 0 [0", "65533:65533": " 65533 65533 [65533]", "0:0": "root 0 0 [0]"} {
		a, err := loaded.LookupUser(runAs)
		must(t, err)
		if got := fmt.Sprint(a.Name, " ", a.UID, " ", a.GID, " ", a.Groups); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", runAs, got, want)
		}
	}
	for _, runAs := range []string{"no_such_user_x", "-1:0", "4294967295:0", "0:4294967295", ""} {
		if a, err := loaded.LookupUser(runAs); err == nil {
			t.Errorf("%q is %+v", runAs, a)
		}
	}
}

// TestStrictMachine: the real machine beside what rootwrap would do.
func TestStrictMachine(t *testing.T) {
	dir := rootDir(t)
	write(t, dir+"/r.conf", "[DEFAULT]\nfilters_path="+dir+"/f.d\nexec_dirs="+dir+"/bin\n")
	write(t, dir+"/f.d/a.filters", "[Filters]\nprog: CommandFilter, prog, root\nlink: CommandFilter, link, root\nfolder: CommandFilter, folder, root\n"+
		"loose: CommandFilter, loose, root\npath: PathFilter, prog2, root, "+dir+"/images\nkill: KillFilter, root, "+dir+"/bin/sleep, -15\n")
	for _, name := range []string{"prog", "prog2", "loose"} {
		write(t, dir+"/bin/"+name, "#!/bin/sh\n")
		must(t, os.Chmod(dir+"/bin/"+name, 0o755))
	}
	must(t, os.Chmod(dir+"/bin/loose", 0o777))
	must(t, os.Symlink("prog", dir+"/bin/link"))
	must(t, os.Mkdir(dir+"/bin/folder", 0o755))
	write(t, dir+"/images/a", "")
	write(t, dir+"/images-evil/a", "")
	must(t, os.Symlink("../images-evil", dir+"/images/out"))
	must(t, os.Symlink("loop", dir+"/images/loop"))
	copyProgram(t, "/bin/sleep", dir+"/bin/sleep")
	sleep := exec.Command(dir+"/bin/sleep", "60")
	must(t, sleep.Start())
	pid := fmt.Sprint(sleep.Process.Pid)
	loaded, err := host.Load(dir+"/r.conf", options())
	must(t, err)
	for _, test := range []struct {
		argv string
		want string
	}{
		{"prog x", dir + "/bin/prog x"},
		{"link x", dir + "/bin/prog x"},
		{"folder", ""},
		{"prog2 " + dir + "/images/a", dir + "/bin/prog2 " + dir + "/images/a"},
		{"prog2 " + dir + "/images/new/x", dir + "/bin/prog2 " + dir + "/images/new/x"},
		{"prog2 " + dir + "/images/out/a", ""},
		{"prog2 " + dir + "/images-evil/a", ""},
		{"prog2 " + dir + "/images/loop", ""},
		{"prog2 " + dir + "/images/../r.conf", ""},
		{"kill -15 " + fmt.Sprint(os.Getpid()), ""},
		{"kill -15 " + pid, "/bin/kill -15 " + pid},
	} {
		v := judge(loaded, filters.Request{Argv: strings.Split(test.argv, " ")})
		if got := strings.Join(v.Command(), " "); got != test.want {
			t.Errorf("%s: %q, want %q %+v", test.argv, got, test.want, v.Near)
		}
		if v.Kill != nil {
			must(t, v.Kill.Process.Signal(v.Kill.Signal))
			if err := sleep.Wait(); err == nil || err.Error() != "signal: terminated" {
				t.Errorf("the process ended by %v", err)
			}
			if err := v.Kill.Process.Signal(v.Kill.Signal); !errors.Is(err, unix.ESRCH) {
				t.Errorf("a signal to the dead: %v", err)
			}
		}
		must(t, v.Close())
	}
	v := judge(loaded, filters.Request{Argv: []string{"loose"}})
	if refused := v.Outcome == filters.NotExecutable; refused != (os.Geteuid() == 0) {
		t.Errorf("a program that everybody may write: %v %+v", v.Outcome, v.Near)
	}
}

// judge decides and says why.
func judge(l *host.Loaded, r filters.Request) filters.Verdict {
	v := l.Policy.Decide(l.Machine, r)
	l.Policy.Explain(l.Machine, r, &v)
	return v
}

// BenchmarkLoad is the share of policy in a one-shot's start: 22 files, 313 rules.
func BenchmarkLoad(b *testing.B) {
	dir, err := os.MkdirTemp("/var/lib", "privhelper-test-")
	if err != nil {
		b.Skip("needs root:", err)
	}
	defer os.RemoveAll(dir)
	must(b, os.Chmod(dir, 0o755))
	write(b, dir+"/r.conf", "[DEFAULT]\nfilters_path="+dir+"/f.d\n")
	for i := range 22 {
		var text strings.Builder
		text.WriteString("[Filters]\n")
		for j := range 14 {
			fmt.Fprintf(&text, "r%d: RegExpFilter, c%d-%d, root, c%d-%d, -c, \\d+, /dev/.*\n", j, i, j, i, j)
		}
		write(b, fmt.Sprintf("%s/f.d/%02d.filters", dir, i), text.String())
	}
	for b.Loop() {
		if _, err := host.Load(dir+"/r.conf", host.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecide is a verdict with the real machine: the executable's folders are judged each time.
func BenchmarkDecide(b *testing.B) {
	for _, semantics := range []filters.Semantics{filters.Strict, filters.Oslo} {
		b.Run(semantics.String(), func(b *testing.B) {
			cfg := filters.Config{ExecDirs: []string{"/usr/sbin", "/usr/bin"}, Semantics: semantics}
			p, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "x.filters", Text: []byte("[Filters]\nt: CommandFilter, true, root\n")}})
			must(b, err)
			l, err := host.New(cfg, p, host.Options{})
			must(b, err)
			for b.Loop() {
				if v := p.Decide(l.Machine, filters.Request{Argv: []string{"true"}}); v.Outcome != filters.Match {
					b.Fatal(v.Outcome)
				}
			}
		})
	}
}
