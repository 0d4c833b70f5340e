package attack

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/client"
)

// dial connects the way a client does, and sends what it likes.
func (s *server) dial(w *world) *net.UnixConn {
	w.t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.path})
	w.must(err)
	w.t.Cleanup(func() { c.Close() })
	w.must(c.SetDeadline(time.Now().Add(patience)))
	return c
}

// works has a client of the service run a command.
func (s *server) works(w *world) {
	w.t.Helper()
	c, err := client.Dial(w.t.Context(), s.path)
	if err != nil {
		w.t.Errorf("another client: %v", err)
		return
	}
	defer c.Close()
	before := w.decisions()
	if r := askClient(w.t.Context(), w, c, []string{"true"}); !r.ran || r.code != 0 || w.decisions() != before+1 {
		w.t.Errorf("another client: %v", r)
	}
}

// nonsense is an attack by bytes: the connection ends, or waits, one line says so, and other clients are served meanwhile.
// What more there is of this is in privsep/internal/hostile.
func nonsense(name, how string, ends bool, bytes ...byte) attack {
	return attack{name, how, 3, nil, func(w *world) {
		w.policy("clients=nobody\n", "true: CommandFilter, true, root\ntool: CommandFilter, tool, root\n")
		w.program("@W@/bin/tool")
		s := w.serve()
		c := s.dial(w)
		hello := make([]byte, 4)
		_, err := io.ReadFull(c, hello)
		w.must(err)
		_, err = io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(hello)))
		w.must(err)
		_, err = c.Write(bytes)
		w.must(err)
		s.works(w)
		if !ends {
			return
		}
		if n, err := io.Copy(io.Discard, c); n != 0 {
			w.t.Errorf("answered by %d bytes, %v", n, err)
		}
		events := 0
		for end := time.Now().Add(patience); events == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) { // written after the end
			for _, l := range w.lines() {
				if l.Event == "protocol_error" {
					events++
				}
			}
		}
		if events != 1 || w.decisions() != 1 || w.sang() != "" {
			w.t.Errorf("%d lines say so, %d decisions", events, w.decisions())
		}
	}}
}

// as runs this suite's client as an ordinary user, through more words.
func as(w *world, words []string, s *server) (string, error) {
	cmd := exec.Command(words[0], append(words[1:], bin("privhelper"), "run", "--socket", s.path, "--", "tool")...)
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// stranger is an attack by somebody who is none of the service's clients. The harmless twin is one who is.
func stranger(name, how string, words ...string) attack {
	return attack{name, how, 1, nil, func(w *world) {
		w.policy("clients=nobody\n", "tool: CommandFilter, tool, root\ntrue: CommandFilter, true, root\n")
		w.program("@W@/bin/tool")
		s := w.serve()
		if out, err := as(w, []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, s); err != nil || w.sang() == "" {
			w.t.Fatalf("the harmless twin: %v, %s", err, out)
		}
		before := w.decisions()
		if out, err := as(w, words, s); err == nil || w.sang() != "" || strings.Contains(out, w.dir+"/f.d") {
			w.t.Errorf("came through: %v, %s", err, out)
		}
		if n := w.decisions() - before; n != 0 {
			w.t.Errorf("%d decisions", n)
		}
		s.works(w)
	}}
}

var serviceAttacks = []attack{
	stranger("stranger", "a user who is none of the clients", "setpriv", "--reuid=1", "--regid=1", "--clear-groups"),
	stranger("stranger-with-group", "another user with the client's group", "setpriv", "--reuid=1", "--regid=65534", "--groups=65534"),
	stranger("root-of-a-namespace", "root of a user namespace that another user made", "setpriv", "--reuid=1", "--regid=1", "--clear-groups", "unshare", "--user", "--map-root-user"),
	stranger("client-in-a-namespace", "the client's own user, in a user namespace of its own: a container", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "--user", "--map-root-user"),
	stranger("pid-namespace", "the client's own user, in another pid namespace", "unshare", "--pid", "--fork", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
	nonsense("half-a-length", "two bytes, and nothing more", false, 0, 0),
	nonsense("length-4-gib", "a frame that claims 4 GiB", true, 0xff, 0xff, 0xff, 0xff, 0x92),
	nonsense("length-0", "a frame of no bytes", true, 0, 0, 0, 0),
	nonsense("http", "another protocol", true, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")...),
	nonsense("array-4-gi", "an array that claims 4 Gi elements", true, 0, 0, 0, 5, 0xdd, 0xff, 0xff, 0xff, 0xff),
	nonsense("nested", "arrays in arrays", true, append([]byte{0, 0, 0xff, 0xff}, strings.Repeat("\x91", 0xffff)...)...),
	nonsense("helpers-message", "a HELLO, which only a helper may send", true, 0, 0, 0, 3, 0x92, 0, 0),
	{"connections", "more connections than one user may have, none of which says anything", 3, nil, func(w *world) {
		w.policy("clients=nobody\nservice_max_per_user=8\nservice_max_connections=16\n", "true: CommandFilter, true, root\n")
		s := w.serve()
		child := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "perl", "-MSocket", "-e",
			`for (1..40) { socket($s[$_], AF_UNIX, SOCK_STREAM, 0); connect($s[$_], sockaddr_un($ARGV[0])) or last; sysread($s[$_], $b, 4) } $| = 1; print "full\n"; sleep 1000`, s.path)
		out, err := child.StdoutPipe()
		w.must(err)
		w.must(child.Start())
		defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
		if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
			w.t.Fatal(err)
		}
		s.works(w) // root's client
	}},
	{"socket-folder", "a socket asked for in a folder that others may write", 8, nil, func(w *world) {
		w.policy("clients=nobody\n", "true: CommandFilter, true, root\n")
		r := takeCommand(w, []string{"timeout", "10", bin("privhelper"), "serve", "--config", w.config, "--listen", w.text("@E@/s")})
		if _, err := os.Lstat(w.text("@E@/s")); r.code != 97 || !strings.Contains(r.errors, w.evil) || err == nil {
			w.t.Errorf("%v, %v", r, err)
		}
	}},
	{"socket-of-another", "a socket that somebody else listens at: the client refuses it", 5, nil, func(w *world) {
		fake := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "perl", "-MSocket", "-e",
			`socket($s, AF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un($ARGV[0])) or die; listen($s, 5); $| = 1; print "ready\n"; accept($c, $s); sleep 1000`, w.text("@E@/s"))
		out, err := fake.StdoutPipe()
		w.must(err)
		w.must(fake.Start())
		defer func() { _ = fake.Process.Kill(); _ = fake.Wait() }()
		if _, err := io.ReadFull(out, make([]byte, 6)); err != nil {
			w.t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
		defer cancel()
		c, err := client.Dial(ctx, w.text("@E@/s"))
		if err == nil {
			c.Close()
		}
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			w.t.Errorf("it spoke with uid %d's helper: %v", testenv.Nobody, err)
		}
	}},
}
