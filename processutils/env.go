package processutils

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// environment returns the command's environment; nil stands for the caller's, unchanged.
func (c *Cmd) environment() []string {
	if c.OnlyEnv {
		return lastOfEach(nil, c.Env)
	}
	if len(c.Env) == 0 {
		return nil
	}
	return lastOfEach(os.Environ(), c.Env)
}

// lastOfEach is base with what added says in its place: the last of a name counts.
func lastOfEach(base, added []string) []string {
	all := append(base[:len(base):len(base)], added...)
	at := make(map[string]int, len(all))
	out := all[:0:0]
	for _, v := range all {
		name, _, _ := strings.Cut(v, "=")
		if i, again := at[name]; again {
			out[i] = v
			continue
		}
		at[name] = len(out)
		out = append(out, v)
	}
	if out == nil {
		out = []string{} // none, where nil would be the caller's
	}
	return out
}

// program finds what is executed for Args[0]: a name without a slash is looked up in the PATH that the command gets,
// /usr/bin:/bin where it has none. Folders that are not absolute are passed over (exec.ErrDot).
func (c *Cmd) program(env []string) (string, error) {
	name := c.Args[0]
	if strings.Contains(name, "/") {
		return name, nil
	}
	path, found := "", false
	if env == nil {
		path, found = os.LookupEnv("PATH")
	}
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			path, found = value, true
		}
	}
	if !found {
		path = "/usr/bin:/bin"
	}
	err := exec.ErrNotFound
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		candidate := filepath.Join(dir, name)
		info, statErr := os.Stat(candidate)
		switch {
		case statErr != nil || info.IsDir():
		case info.Mode()&0o111 == 0:
			err = fs.ErrPermission
		default:
			return candidate, nil
		}
	}
	return "", &exec.Error{Name: name, Err: err}
}
