package attack

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A server is `privhelper serve` of a world.
type server struct {
	cmd  *exec.Cmd
	path string
}

// serve starts a service, and waits until it says that it is ready, as systemd would.
func (w *world) serve() *server {
	w.t.Helper()
	w.must(os.Mkdir(w.text("@W@/run"), 0o755))
	s := &server{path: w.text("@W@/run/s")}
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: w.text("@W@/notify")})
	w.must(err)
	defer notify.Close()
	var said bytes.Buffer
	s.cmd = exec.Command(bin("privhelper"), "serve", "--config", w.config, "--listen", s.path)
	s.cmd.Env, s.cmd.Stderr = append(os.Environ(), "NOTIFY_SOCKET="+notify.LocalAddr().String()), &said
	w.must(s.cmd.Start())
	w.t.Cleanup(func() {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		if err := s.cmd.Wait(); err != nil {
			w.t.Errorf("the service: %v: %s", err, said.Bytes())
		}
	})
	w.must(notify.SetReadDeadline(time.Now().Add(patience)))
	text := make([]byte, 100)
	if n, err := notify.Read(text); err != nil || string(text[:n]) != "READY=1" {
		w.t.Fatalf("the service told %q, %v", text[:n], err)
	}
	return s
}
