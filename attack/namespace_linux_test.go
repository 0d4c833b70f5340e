package attack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/internal/trust"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// A user has no root to ask: the helper is root of a user namespace, and obeys what the launcher handed in. The attacks are
// the same; what they ask for that a namespace has not is in rootOnly.

// needNamespace ends a test where a user cannot have a namespace, or no folder of which policy can be trusted: below /tmp there is
// none, and TMPDIR says where else. With PRIVHELPER_TEST_USER=must, which .ci/run sets, that fails the test.
func needNamespace(t *testing.T) {
	t.Helper()
	switch _, err := trust.Pin(base, trust.Rules{Owners: []uint32{uint32(os.Geteuid())}}); {
	case os.Geteuid() == 0:
		t.Skip("root has TestAttacks")
	case err != nil && os.Getenv("PRIVHELPER_TEST_USER") == "must":
		t.Fatal(err)
	case err != nil:
		t.Skip(err)
	}
	testenv.InUserNamespace(t, exec.Command("/bin/true")) // or the test ends here
}

// inNamespace launches a daemon without root, which trusts this world's policy and programs, and the machine's.
func (w *world) inNamespace() *client.UserNamespace {
	return namespaceLauncher(w.config)
}

// machinePrograms are what policies of this suite name besides programs of its own.
var machinePrograms = []string{"sh", "bash", "cat", "env", "grep", "ip", "kill", "nice", "perl", "printf", "sleep", "true", "wc"}

// namespaceLauncher trusts what stands around a configuration file as newWorld lays it out.
func namespaceLauncher(config string) *client.UserNamespace {
	dir := filepath.Dir(config)
	trusted := []string{dir, config, filepath.Join(dir, "f.d")}
	for _, pattern := range []string{filepath.Join(dir, "f.d", "*.filters"), filepath.Join(dir, "bin", "*"), bin("*")} {
		found, _ := filepath.Glob(pattern) // an error is one of the pattern's
		trusted = append(trusted, found...)
	}
	for _, name := range machinePrograms {
		if path, err := exec.LookPath(name); err == nil {
			trusted = append(trusted, path)
		}
	}
	return &client.UserNamespace{Path: bin("logged"), Args: []string{filepath.Join(dir, "audit.log"), "daemon", "--config", config}, Trusted: trusted}
}

// logged is the helper of a user namespace. There no file can be trusted with the audit log, which goes to standard error: that
// is the world's log then.
const logged = `#!/bin/sh
log=$1
shift
exec "${0%/*}/privhelper" "$@" 2>>"$log"
`

// asker is a client with a helper in a user namespace. It asks for one command, which has its streams, and ends as that ends, or
// with the exit code that `privhelper run` has for why it did not run.
func asker(args []string) error {
	base = filepath.Dir(filepath.Dir(os.Args[0]))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	log := filepath.Join(filepath.Dir(args[0]), "audit.log")
	before, _ := os.ReadFile(log) // there may be none yet
	c, err := client.Start(ctx, client.Config{Launcher: namespaceLauncher(args[0])})
	if err != nil {
		said, _ := os.ReadFile(log)
		fmt.Fprintf(os.Stderr, "%v\n%s", err, said[len(before):])
		os.Exit(97)
	}
	cmd := c.CommandContext(ctx, "")
	cmd.Args = args[1:]
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	c.Close()
	if refused := (*privsep.CallError)(nil); errors.As(err, &refused) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	if exit := (*client.ExitError)(nil); errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	return err
}

// takeNamespace has a client of its own ask a helper in a user namespace.
func takeNamespace(w *world, caller string, argv []string) result {
	w.t.Helper()
	return takeCommand(w, append(append(from(caller), bin("asker"), w.config), argv...))
}
