package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/privhelper/privhelper/cmd/client-demo/contract"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/confine"
	"github.com/privhelper/privhelper/processutils"
)

// demo is the service: it starts its helper, gives up what it has, and asks.
func demo(rootHelper string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "client-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("for root's eyes only\n"), 0o600); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		// The folder is nobody's business, the file is root's: the service can reach it and not read it.
		if err := os.Chmod(dir, 0o711); err != nil {
			return err
		}
	}
	if rootHelper != "" {
		secret = "/etc/shadow" // what we make is our own
	}
	launcher, how, err := launch(rootHelper, secret)
	if err != nil {
		return err
	}
	c, err := client.Start(ctx, client.Config{Launcher: launcher, Contexts: []*privsep.Context{contract.Demo}})
	if err != nil {
		return err
	}
	defer c.Close()
	wasRoot := os.Geteuid() == 0
	if wasRoot {
		if err := confine.Become(confine.User{UID: 65534, GID: 65534}); err != nil {
			return err
		}
	}
	s := &steps{c: c, wasRoot: wasRoot, rootHelper: rootHelper, secret: secret}
	s.say("started", how)
	for _, step := range []struct {
		name string
		run  func(context.Context) (string, error)
	}{
		{"helper", s.helper}, {"service", s.service}, {"open file", s.openFile}, {"low port", s.lowPort},
		{"command", s.command}, {"runners", s.runners}, {"refusal", s.refusal}, {"traversal", s.traversal}, {"cancel", s.cancelTree}, {"restart", s.restart},
	} {
		text, err := step.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		s.say(step.name, text)
	}
	return nil
}

// launch chooses how the helper is started.
func launch(rootHelper, secret string) (client.Launcher, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	args := []string{helperFlag, secret}
	switch {
	case rootHelper != "":
		words, err := processutils.SplitWords(rootHelper)
		return &client.Prefix{Command: words, Path: self, Args: args}, "by " + rootHelper, err
	case os.Geteuid() == 0:
		return &client.Direct{Path: self, Args: args}, "directly, by root; the service is nobody from here on", nil
	}
	return &client.UserNamespace{Path: self, Args: args, Network: true, Trusted: programs("id", "cat", "sleep", "sh")},
		"as root of a user namespace: no root anywhere, and its powers end at the namespace", nil
}

// programs returns where the helper will find them, for a launcher that must vouch for them: a user's own PATH says nothing
// to it.
func programs(names ...string) (paths []string) {
	for _, name := range names {
		for _, dir := range []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
			path := filepath.Join(dir, name)
			if _, err := os.Stat(path); err == nil {
				paths = append(paths, path)
				break
			}
		}
	}
	return paths
}

type steps struct {
	c          *client.Client
	wasRoot    bool
	rootHelper string
	secret     string
}

func (s *steps) say(name, text string) { fmt.Printf("%-10s %s\n", name, text) }

func (s *steps) helper(ctx context.Context) (string, error) {
	return contract.Report.Call(ctx, s.c, privsep.Void{})
}

func (s *steps) service(context.Context) (string, error) { return whoAmI() }

// openFile reads a file through a descriptor that the helper opened.
func (s *steps) openFile(ctx context.Context) (string, error) {
	_, direct := os.Open(s.secret)
	f, err := contract.OpenSecret.Call(ctx, s.c, privsep.Void{})
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return "", err
	}
	what := fmt.Sprintf("%d bytes", len(text)) // of a file that was there before, nothing is shown
	if s.rootHelper == "" {
		what = fmt.Sprintf("%q", strings.TrimSpace(string(text)))
	}
	if direct == nil {
		return "read " + what + " from the helper's open file (without root the file is our own, and we could open it ourselves)", nil
	}
	return fmt.Sprintf("we may not open it (%v); from the helper's open file we read %s", errors.Unwrap(direct), what), nil
}

// lowPort serves one request on a socket that the helper bound.
func (s *steps) lowPort(ctx context.Context) (string, error) {
	var reply contract.ListenReply
	var err error
	port := uint16(1023)
	for ; port > 1000; port-- {
		reply, err = contract.Listen.Call(ctx, s.c, contract.ListenArgs{Port: port})
		if !errors.Is(err, contract.ErrPortTaken) {
			break
		}
	}
	if err != nil {
		return "", err
	}
	defer reply.Listener.Close()
	defer reply.Dialled.Close()
	listener, err := net.FileListener(reply.Listener.File)
	if err != nil {
		return "", err
	}
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			io.WriteString(conn, "served by an unprivileged process")
			conn.Close()
		}
	}()
	conn, err := net.FileConn(reply.Dialled.File)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	where := ""
	if !s.wasRoot && s.rootHelper == "" {
		where = " of the helper's own network namespace"
	}
	return fmt.Sprintf("127.0.0.1:%d%s answers: %q", port, where, text), err
}

// command runs what policy allows, its output piped.
func (s *steps) command(ctx context.Context) (string, error) {
	out, err := s.c.CommandContext(ctx, "id").Output()
	if err != nil {
		return "", err
	}
	caps, err := s.c.CommandContext(ctx, "cat", "/proc/self/status").Output()
	if err != nil {
		return "", err
	}
	eff := ""
	for line := range strings.Lines(string(caps)) {
		if v, ok := strings.CutPrefix(line, "CapEff:"); ok {
			eff = strings.TrimSpace(v)
		}
	}
	return fmt.Sprintf("id says %s; its effective capabilities are %s", bytes.TrimSpace(out), eff), nil
}

// refusal asks for what policy does not allow.
func (s *steps) refusal(ctx context.Context) (string, error) {
	return wantDenied(s.c.CommandContext(ctx, "reboot").Run())
}

// traversal asks for what oslo.rootwrap would accept for the same rule: it anchors no pattern at its end.
func (s *steps) traversal(ctx context.Context) (string, error) {
	return wantDenied(s.c.CommandContext(ctx, "cat", "/proc/version\n").Run())
}

func wantDenied(err error) (string, error) {
	if !errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("it was not refused: %v", err)
	}
	return err.Error(), nil
}

// cancelTree cancels one of two commands and shows that all its processes are gone, one that forked twice and left its
// session included, and the other command is not.
func (s *steps) cancelTree(ctx context.Context) (string, error) {
	// Numbers that no other process sleeps for, so that ours are known among all of the machine.
	short, n := strconv.Itoa(1_000_000+os.Getpid()), strconv.Itoa(10_000_000+os.Getpid())
	other := s.c.CommandContext(ctx, "sleep", short)
	if err := other.Start(); err != nil {
		return "", err
	}
	limited, cancel := context.WithCancel(ctx)
	long := s.c.CommandContext(limited, "sh", "-c", "(setsid sleep "+n+" &) ; sleep "+n)
	long.Stderr = os.Stderr
	if err := long.Start(); err != nil {
		cancel()
		return "", err
	}
	if err := until(ctx, func() bool { return sleepers(n) >= 2 }); err != nil {
		cancel()
		return "", fmt.Errorf("the command's processes did not appear: %w", err)
	}
	before := sleepers(n)
	cancel()
	err := long.Wait()
	if gone := until(ctx, func() bool { return sleepers(n) == 0 }); gone != nil {
		return "", fmt.Errorf("processes of the cancelled command live on: %w", gone)
	}
	lives := sleepers(short)
	if kerr := other.Process.Kill(); kerr != nil {
		return "", kerr
	}
	otherErr := other.Wait()
	if lives == 0 {
		return "", errors.New("the other command was ended too")
	}
	return fmt.Sprintf("%d processes of the cancelled command are gone (%v), the other lived until we killed it (%v)", before, err, otherErr), nil
}

// sleepers counts processes that are `sleep N`.
func sleepers(n string) (count int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, d := range dirs {
		text, _ := os.ReadFile(d)
		if string(text) == "sleep\x00"+n+"\x00" {
			count++
		}
	}
	return count
}

// until waits for what shows nowhere but in /proc.
func until(ctx context.Context, done func() bool) error {
	limit, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-limit.Done():
			return limit.Err()
		}
	}
	return nil
}

// restart has the helper die in a call, and calls again.
func (s *steps) restart(ctx context.Context) (string, error) {
	before := s.c.Helper().PID
	_, err := contract.Crash.Call(ctx, s.c, privsep.Void{})
	var call *privsep.CallError
	if !errors.As(err, &call) || call.Outcome != privsep.Unknown {
		return "", fmt.Errorf("the call during which the helper died ended in %v", err)
	}
	if _, err := contract.Report.Call(ctx, s.c, privsep.Void{}); err != nil {
		return "", err
	}
	return "the helper (pid " + strconv.Itoa(before) + ") was killed in a call: " + call.Error() + "; the next call started pid " +
		strconv.Itoa(s.c.Helper().PID), nil
}
