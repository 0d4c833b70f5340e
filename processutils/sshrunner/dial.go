package sshrunner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Config says which machine, as whom, and how it is known to be the right one.
type Config struct {
	// Addr is host or host:port; the port is 22 where it is left out.
	Addr string
	// User and Auth are who logs in, and how.
	User string
	Auth []ssh.AuthMethod
	// HostKeys are the host's keys, one of which it must prove. Where there are none, the KnownHosts files of ssh(1) say
	// them; where there are none of these either, ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts do. A host that is in
	// none of them is refused, and so is one whose key is another (*knownhosts.KeyError).
	HostKeys   []ssh.PublicKey
	KnownHosts []string
	// Timeout bounds the connection and the login, as ctx does. 0: 15 s.
	Timeout time.Duration
}

// Dial connects and logs in.
func Dial(ctx context.Context, cfg Config) (*Runner, error) {
	fail := func(err error) (*Runner, error) { return nil, fmt.Errorf("ssh %s@%s: %w", cfg.User, cfg.Addr, err) }
	addr := cfg.Addr
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(addr, "22")
	}
	check, algorithms, err := hostKeys(cfg, addr)
	if err != nil {
		return fail(err)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 15 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fail(err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, addr, &ssh.ClientConfig{
		User: cfg.User, Auth: cfg.Auth, HostKeyCallback: check, HostKeyAlgorithms: algorithms,
	})
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return fail(err)
	}
	return &Runner{client: ssh.NewClient(c, channels, requests)}, nil
}

// hostKeys returns the check of the host's key, and which kinds of key to ask it for: a host has several, and the one that
// it would choose may be another than the one that is known.
func hostKeys(cfg Config, addr string) (ssh.HostKeyCallback, []string, error) {
	if len(cfg.HostKeys) > 0 {
		return func(_ string, _ net.Addr, key ssh.PublicKey) error {
			for _, known := range cfg.HostKeys {
				if string(known.Marshal()) == string(key.Marshal()) {
					return nil
				}
			}
			return fmt.Errorf("the host proved the key %s, which is none of HostKeys", ssh.FingerprintSHA256(key))
		}, algorithmsOf(cfg.HostKeys), nil
	}
	files := cfg.KnownHosts
	if len(files) == 0 {
		for _, file := range []string{filepath.Join(os.Getenv("HOME"), ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"} {
			if _, err := os.Stat(file); err == nil {
				files = append(files, file)
			}
		}
	}
	if len(files) == 0 {
		return nil, nil, errors.New("neither HostKeys nor a known_hosts file says which key the host has")
	}
	check, err := knownhosts.New(files...)
	if err != nil {
		return nil, nil, err
	}
	// A key that no host has makes the check say which it knows.
	var wrong *knownhosts.KeyError
	var known []ssh.PublicKey
	if errors.As(check(addr, &net.TCPAddr{}, noKey{}), &wrong) {
		for _, k := range wrong.Want {
			known = append(known, k.Key)
		}
	}
	return check, algorithmsOf(known), nil
}

// algorithmsOf returns nil, which is all, where no key is known: an authority may have signed the host's.
func algorithmsOf(keys []ssh.PublicKey) (names []string) {
	for _, key := range keys {
		kinds := []string{key.Type()}
		if key.Type() == ssh.KeyAlgoRSA {
			kinds = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		}
		for _, kind := range kinds {
			if !slices.Contains(names, kind) {
				names = append(names, kind)
			}
		}
	}
	return names
}

type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return nil }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
