//go:build packages

package packaging_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bound is for what happens at once: a failure's time, no promise.
const bound = 30 * time.Second

// A service is one that runs in a root.
type service struct {
	cmd    *exec.Cmd
	notify *net.UnixConn // what it tells systemd
}

// serve starts the service as its unit does, and returns when it is ready.
func (r root) serve(t *testing.T) service {
	t.Helper()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(r.path, "run/notify")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { notify.Close() })
	cmd := r.command("privhelper", "serve", "--listen", "/run/privhelper/privhelper.sock")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET=/run/notify")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	s := service{cmd, notify}
	s.ready(t)
	return s
}

// ready waits until the service says that it is.
func (s service) ready(t *testing.T) {
	t.Helper()
	if err := s.notify.SetReadDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	for line := make([]byte, 4096); ; {
		n, err := s.notify.Read(line)
		if err != nil {
			t.Fatalf("the service did not become ready: %v", err)
		}
		if strings.HasPrefix(string(line[:n]), "READY=1") {
			return
		}
	}
}

// reload lets it read its policy anew.
func (s service) reload(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.ready(t)
}

// end stops it, and wants it to say that all was well.
func (s service) end(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the service ended with %v", err)
	}
	if err := os.Remove(s.notify.LocalAddr().String()); err != nil {
		t.Error(err)
	}
}

// A held command is `cat` as netservice lets it run: what is written to it comes back as long as its connection is served.
type held struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (r root) hold(t *testing.T) held {
	t.Helper()
	cmd := r.command("setpriv", "--reuid=netservice", "--regid=netservice", "--init-groups", "--no-new-privs", "privhelper", "run", "--", "cat")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return held{cmd, in, bufio.NewReader(out)}
}

func (h held) echo(t *testing.T, word string) {
	t.Helper()
	if _, err := io.WriteString(h.in, word+"\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := h.out.ReadString('\n'); err != nil || line != word+"\n" {
		t.Fatalf("the command that runs says %q, %v", line, err)
	}
}

func (h held) end(t *testing.T) {
	t.Helper()
	h.in.Close()
	if err := h.cmd.Wait(); err != nil {
		t.Errorf("the command that ran over the upgrade: %v", err)
	}
}
