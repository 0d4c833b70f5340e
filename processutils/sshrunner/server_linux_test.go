package sshrunner_test

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/processutils/sshrunner"
)

// server is Debian's sshd on the loopback interface, in a folder of the test's own, for the test's own user.
type server struct {
	addr, user string
	hostKey    ssh.PublicKey
	auth       ssh.AuthMethod
	dir        string
}

func startServer(t *testing.T) *server {
	t.Helper()
	const sshd = "/usr/sbin/sshd"
	if _, err := os.Stat(sshd); err != nil {
		testenv.Miss(t, "needs sshd (Debian package openssh-server)")
	}
	dir, err := os.MkdirTemp("", "sshd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{user: me.Username, dir: dir}
	var clientKey ssh.Signer
	s.hostKey = newKey(t, filepath.Join(dir, "host")).PublicKey()
	newKey(t, filepath.Join(dir, "other")) // the host has a second one, of another kind or not, that no test knows
	clientKey = newKey(t, filepath.Join(dir, "client"))
	s.auth = ssh.PublicKeys(clientKey)
	write(t, filepath.Join(dir, "authorized"), string(ssh.MarshalAuthorizedKey(clientKey.PublicKey())))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	listener.Close()
	_, port, _ := net.SplitHostPort(s.addr)
	config := filepath.Join(dir, "config")
	write(t, config, strings.Join([]string{
		"ListenAddress 127.0.0.1:" + port, "HostKey " + filepath.Join(dir, "host"), "AuthorizedKeysFile " + filepath.Join(dir, "authorized"),
		"PidFile none", "StrictModes no", "UsePAM no", "PermitRootLogin yes", "AcceptEnv PU_*", "PasswordAuthentication no", "MaxStartups 100", "MaxSessions 100", "",
	}, "\n"))
	cmd := exec.Command(sshd, "-D", "-e", "-f", config)
	if os.Geteuid() == 0 {
		if os.Mkdir("/run/sshd", 0o755) == nil { // what its unit makes
			t.Cleanup(func() { os.Remove("/run/sshd") })
		}
	} else {
		cmd = withShell(t, dir, cmd)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(stderr)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if strings.HasPrefix(lines.Text(), "Server listening") {
			go func() {
				for lines.Scan() { // or it would stop at a full pipe
				}
			}()
			return s
		}
	}
	t.Fatalf("sshd did not start: %s", strings.Join(said, "\n"))
	return nil
}

// withShell runs sshd where the user's entry in passwd names a shell that runs commands: nobody's does not. It takes a
// user namespace to say so, and a second one to be no root again.
func withShell(t *testing.T, dir string, sshd *exec.Cmd) *exec.Cmd {
	t.Helper()
	testenv.InUserNamespace(t, exec.Command("true")) // or the test is skipped
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	uid := strconv.Itoa(os.Getuid())
	var b strings.Builder
	shadow := ""
	for line := range strings.Lines(string(passwd)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) == 7 && f[2] == uid {
			f[6] = "/bin/sh"
			shadow = f[0] + ":none:20000:0:99999:7:::\n" // its account is locked
			line = strings.Join(f, ":") + "\n"
		}
		b.WriteString(line)
	}
	write(t, filepath.Join(dir, "passwd"), b.String())
	write(t, filepath.Join(dir, "shadow"), shadow)
	script := `mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/shadow" /etc/shadow && exec unshare --user --map-user=` + uid + ` --map-group=` + strconv.Itoa(os.Getgid()) + ` -- "$@"`
	return exec.Command("unshare", append([]string{"--user", "--map-root-user", "--mount", "/bin/sh", "-c", script, dir}, sshd.Args...)...)
}

func newKey(t *testing.T, path string) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(pem.EncodeToMemory(block)))
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// knownHosts writes a known_hosts file that says key for the server.
func (s *server) knownHosts(t *testing.T, key ssh.PublicKey) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(s.addr)
	path := filepath.Join(t.TempDir(), "known_hosts")
	write(t, path, fmt.Sprintf("[%s]:%s %s", host, port, ssh.MarshalAuthorizedKey(key)))
	return path
}

func (s *server) config() sshrunner.Config {
	return sshrunner.Config{Addr: s.addr, User: s.user, Auth: []ssh.AuthMethod{s.auth}, HostKeys: []ssh.PublicKey{s.hostKey}}
}

func (s *server) dial(t *testing.T) *sshrunner.Runner {
	t.Helper()
	r, err := sshrunner.Dial(t.Context(), s.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
