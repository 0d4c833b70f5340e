// Package lab makes what the rows are measured with: programs, policies and folders, in a place that root alone can write.
package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/privhelper/privhelper/bench/internal/policies"
)

// A Lab is the place of one run. It is to be closed.
type Lab struct {
	Dir  string // the place itself; all can read it
	Tree string // the project's source

	service *exec.Cmd // nil: not yet
}

// New builds everything: our own programs as they ship, the limits by gcc. tree is the project's source, peers whether the
// programs of go-plugin are wanted.
func New(tree string, peers bool) (*Lab, error) {
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("this is measured as root: it starts helpers, commands of other users, and services")
	}
	dir, err := os.MkdirTemp("/var/lib", "privhelper-bench-")
	if err != nil {
		return nil, err
	}
	l := &Lab{Dir: dir, Tree: tree}
	if err := l.make(peers); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Path is a file or folder of the lab.
func (l *Lab) Path(name string) string { return filepath.Join(l.Dir, name) }

func (l *Lab) make(peers bool) error {
	if err := os.Chmod(l.Dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"small.d", "large.d", "locks"} {
		if err := os.Mkdir(l.Path(name), 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{
		"small.conf":          l.config("small.d"),
		"large.conf":          l.config("large.d"),
		"small.d/one.filters": policies.File(policies.Files - 1),
	}
	for i := range policies.Files {
		files[fmt.Sprintf("large.d/%02d.filters", i)] = policies.File(i)
	}
	for name, text := range files {
		if err := os.WriteFile(l.Path(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, n := range []int{10, 1000, 10_000} {
		if err := l.mixed(n); err != nil {
			return err
		}
	}
	if err := l.build(peers); err != nil {
		return err
	}
	if err := os.CopyFS(l.Path("peers"), os.DirFS(filepath.Join(l.Tree, "bench/peers"))); err != nil {
		return err
	}
	if err := os.Rename(l.Path("c-suid"), l.Path("suid")); err != nil {
		return err
	}
	return os.Chmod(l.Path("suid"), 0o755|os.ModeSetuid)
}

// mixed writes the policy of n rules for a peer that reads files.
func (l *Lab) mixed(n int) error {
	folder := l.Path(fmt.Sprintf("mixed-%d", n))
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(folder+"/mixed.filters", policies.Mixed(n)[0].Text, 0o644)
}

// config is a configuration for whoever is measured: oslo.rootwrap reads it too.
func (l *Lab) config(folder string) string {
	return fmt.Sprintf("[DEFAULT]\nfilters_path = %s\nexec_dirs = /usr/sbin,/usr/bin,/sbin,/bin\ncapabilities = CAP_NET_ADMIN\n"+
		"audit_file = %s\nuse_syslog = False\nclients = nobody\n"+
		"service_max_connections = 2000\nservice_max_per_user = 2000\nservice_max_calls = 1000000\nservice_ready = %d\n", l.Path(folder), l.Path("audit.log"), ready)
}

func (l *Lab) build(peers bool) error {
	local := []string{"./worker", "./helper", "./hello", "./bare"}
	if peers {
		local = append(local, "./peers/goplugin")
	}
	commands := [][]string{
		append([]string{"go", "-C", filepath.Join(l.Tree, "bench"), "build", "-trimpath", "-ldflags", "-s -w", "-o", l.Dir + "/"}, local...),
		{filepath.Join(l.Tree, "cmd/privhelper/build"), l.Path("privhelper")},
	}
	sources, err := filepath.Glob(filepath.Join(l.Tree, "bench/limits/*.c"))
	if err != nil {
		return err
	}
	for _, source := range sources {
		program := l.Path("c-" + strings.TrimSuffix(filepath.Base(source), ".c"))
		commands = append(commands, []string{"gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", program, source})
	}
	for _, argv := range commands {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, out)
		}
	}
	return nil
}

// Close ends what was started and removes the lab.
func (l *Lab) Close() {
	if l.service != nil {
		_ = l.service.Process.Signal(os.Interrupt)
		_ = l.service.Wait()
	}
	os.RemoveAll(l.Dir)
}

// Argv is a command line with the lab's paths in the place of "{}".
func (l *Lab) Argv(argv []string) []string {
	out := make([]string, len(argv))
	for i, a := range argv {
		out[i] = strings.ReplaceAll(a, "{}", l.Dir+"/")
	}
	return out
}
