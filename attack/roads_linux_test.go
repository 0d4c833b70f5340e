package attack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// patience bounds how long an attack that hangs hangs.
const patience = 20 * time.Second

// A result is what came of one request.
type result struct {
	ran    bool   // the command was allowed and started
	code   int    // its exit code, or that of who refused it
	out    string // its standard output
	errors string // standard error, or the client's error
	canary string // what the canary was told meanwhile
}

// A road is a way from somebody hostile to a command of root's. caller are words of the shell that is the caller, before it
// starts the binary.
type road struct {
	name string
	take func(w *world, caller string, argv []string) result
}

var roads = []road{{"run", takeRun}, {"daemon", takeDaemon}}

// from are the words before a command line that make its caller do something first.
func from(caller string) []string {
	return []string{"sh", "-c", caller + "\nexec \"$@\"", "sh"}
}

// takeRun has `privhelper run` started by root, as sudo would for the user that its variable names.
func takeRun(w *world, caller string, argv []string) result {
	w.t.Helper()
	words := append(from(caller), bin("privhelper"), "run", "--config", w.config, "--")
	return takeCommand(w, append(words, argv...))
}

// takeCommand runs a command line, and tells a refusal of privhelper's by its exit code.
func takeCommand(w *world, words []string) result {
	w.t.Helper()
	r, hung := take(w, words)
	if hung {
		w.t.Fatalf("it hangs: %.200q", words)
	}
	r.ran = r.ran && r.code >= 0 && r.code < 96 && !strings.HasPrefix(r.errors, "fatal error: ") // of Go's runtime
	return r
}

// take runs a command line, which counts as run if it could be started. One that hangs is killed, as some of our peers are.
func take(w *world, words []string) (r result, hung bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	var out, errs strings.Builder
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	hung = ctx.Err() != nil
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		return result{code: -1, errors: err.Error(), canary: w.sang()}, hung
	}
	return result{ran: true, code: cmd.ProcessState.ExitCode(), out: out.String(), errors: errs.String(), canary: w.sang()}, hung
}

// takeDaemon has a client of its own start a daemon, and ask it.
func takeDaemon(w *world, caller string, argv []string) (r result) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	c, err := w.start(ctx, caller)
	if err != nil {
		return result{code: 97, errors: err.Error(), canary: w.sang()}
	}
	defer c.Close()
	return askClient(ctx, w, c, argv)
}

// start starts a daemon.
func (w *world) start(ctx context.Context, caller string) (*client.Client, error) {
	if os.Geteuid() != 0 {
		return client.Start(ctx, client.Config{Launcher: w.inNamespace()})
	}
	return client.Start(ctx, client.Config{Launcher: &client.Prefix{
		Command: from(caller), Path: bin("privhelper"), Args: []string{"daemon", "--config", w.config}}})
}

// askClient has a client ask for one command.
func askClient(ctx context.Context, w *world, c *client.Client, argv []string) (r result) {
	w.t.Helper()
	cmd := c.CommandContext(ctx, "")
	cmd.Args = argv
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ctx.Err() != nil {
		w.t.Fatalf("it hangs: %.200q", argv)
	}
	refused, exit := (*privsep.CallError)(nil), (*client.ExitError)(nil)
	switch {
	case errors.As(err, &refused):
		r.code = 99
	case errors.As(err, &exit):
		r.ran, r.code = true, exit.ExitCode()
	case err != nil:
		r.code = -1
	default:
		r.ran = true
	}
	r.out, r.errors, r.canary = out.String(), errs.String(), w.sang()
	if err != nil {
		r.errors += err.Error()
	}
	return r
}

// A bystander is another client with a daemon of its own, from before the first attack to after the last.
type bystander struct {
	w *world
	c *client.Client
}

func startBystander(t *testing.T) *bystander {
	t.Helper()
	w := newWorld(t)
	w.policy("", "true: CommandFilter, true, root\n")
	c, err := w.start(t.Context(), "")
	w.must(err)
	t.Cleanup(func() { c.Close() })
	return &bystander{w, c}
}

// live has the bystander run a command, and finds it logged.
func (b *bystander) live(t *testing.T) {
	t.Helper()
	before := b.w.decisions()
	if err := b.c.Command("true").Run(); err != nil {
		t.Errorf("another client's helper: %v", err)
	}
	if n := b.w.decisions() - before; n != 1 {
		t.Errorf("another client's helper wrote %d lines for a command", n)
	}
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d, output %.2000q, error %.2000q, canary %q", r.code, r.out, r.errors, r.canary)
}
