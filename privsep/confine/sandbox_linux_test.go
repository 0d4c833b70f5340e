package confine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// childSandbox confines a thread to the places of its arguments (r:PATH, w:PATH) and starts the shell from there, which
// reports for each line of its standard input whether it could do so.
func childSandbox(args []string) error {
	var read, write []*os.File
	for _, a := range args {
		f, err := os.Open(a[2:])
		if err != nil {
			return err
		}
		if a[0] == 'w' {
			write = append(write, f)
		} else {
			read = append(read, f)
		}
	}
	sandbox, err := NewSandbox(read, write)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := ConfineThread(ThreadSpec{NoNewPrivs: true, Nice: 3, Sandbox: sandbox}); err != nil {
		return err
	}
	if err := sandbox.Close(); err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", "-c", `while read -r line; do if (eval "$line") >/dev/null 2>&1; then echo "yes $line"; else echo "no $line"; fi; done`)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

func TestSandbox(t *testing.T) {
	if err := SandboxSupport(); err != nil {
		testenv.Miss(t, err.Error())
	}
	dir := t.TempDir()
	for _, name := range []string{"in", "out", "mine"} {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, name), 0o755), os.WriteFile(filepath.Join(dir, name, "file"), []byte("text\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	script := []struct {
		line string
		want bool
	}{
		{"read x < D/in/file", true},
		{"cat D/in/file", true},
		{"read x < D/mine/file", true},
		{"echo more >> D/mine/file", true},
		{"mkdir D/mine/new", true},
		{"mv D/mine/file D/mine/new/file", true},
		{"ln -s /etc/passwd D/mine/link", true},
		{"read x < D/mine/link", false},
		{"rm D/mine/new/file", true},
		{"read x < D/out/file", false},
		{"ls D/out/", false},
		{"read x < /etc/passwd", false},
		{"read x < /proc/self/status", false},
		{"echo more >> D/in/file", false},
		{": > D/in/file", false},
		{"truncate -s 0 D/in/file", false},
		{"truncate -s 0 D/out/file", false},
		{"rm D/in/file", false},
		{"mv D/in/file D/mine/file", false},
		{"ln D/out/file D/mine/hard", false},
		{"mkdir D/out/new", false},
		{"mkfifo D/out/fifo", false},
		{"kill -0 $$", true}, // the shell, in the same sandbox
		{`test "$(nice)" = 3`, true},
	}
	var in strings.Builder
	for _, s := range script {
		fmt.Fprintln(&in, strings.ReplaceAll(s.line, "D/", dir+"/"))
	}
	places := []string{"r:" + dir + "/in", "w:" + dir + "/mine", "w:/dev/null"}
	for _, p := range []string{"/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"} {
		if _, err := os.Stat(p); err == nil {
			places = append(places, "r:"+p)
		}
	}
	cmd := testenv.Child(t, "sandbox", places...)
	cmd.Stdin = strings.NewReader(in.String())
	lines := strings.Split(string(testenv.Output(t, cmd)), "\n")
	for i, s := range script {
		want := "no "
		if s.want {
			want = "yes "
		}
		if want += strings.ReplaceAll(s.line, "D/", dir+"/"); i >= len(lines) || lines[i] != want {
			t.Errorf("got %q, want %q", lines[min(i, len(lines)-1)], want)
		}
	}
}
