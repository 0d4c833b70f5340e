package processutils

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/privhelper/privhelper/internal/mask"
	"github.com/privhelper/privhelper/internal/pyjson"
)

// view is what may be seen of a Cmd: its command line and what else shapes the run, masked.
func (c Cmd) view() (args, env []string, dir, input string) {
	m := mask.New(c.Secrets...)
	switch {
	case c.Stdin != nil:
		input = "a file"
	case c.InputFunc != nil:
		input = "a function"
	case len(c.Input) > 0:
		input = fmt.Sprintf("%d bytes", len(c.Input))
	}
	return m.Args(c.Args), m.Env(c.Env), m.Text(c.Dir), input
}

// String is the command line, quoted as for a shell, masked.
func (c Cmd) String() string { return Quote(mask.New(c.Secrets...).Args(c.Args)) }

// Format prints a Cmd for every verb: its command line, with + and # its environment, folder and input too; masked.
func (c Cmd) Format(f fmt.State, verb rune) {
	args, env, dir, input := c.view()
	text := Quote(args)
	if f.Flag('+') || f.Flag('#') {
		text = fmt.Sprintf("Cmd{args: %s, env: %s, dir: %q, input: %s}", text, Quote(env), dir, input)
	}
	if verb == 'q' {
		text = fmt.Sprintf("%q", text)
	}
	io.WriteString(f, text)
}

// MarshalJSON is the masked view of Format. Bytes that are no UTF-8 become \udc80 to \udcff, as Python writes them.
func (c Cmd) MarshalJSON() ([]byte, error) {
	args, env, dir, input := c.view()
	var o pyjson.Object
	o.Strings("args", args)
	o.Strings("env", env)
	o.String("dir", dir)
	o.String("input", input)
	return o.End(), nil
}

// LogValue is the masked command line.
func (c Cmd) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Format prints a Result for every verb, its outputs masked.
func (r Result) Format(f fmt.State, verb rune) {
	text := fmt.Sprintf("%v in %v, stdout %q, stderr %q", r.Status, r.Duration, presentable(r.mask, r.Stdout), presentable(r.mask, r.Stderr))
	if verb == 'q' {
		text = fmt.Sprintf("%q", text)
	}
	io.WriteString(f, text)
}

// MarshalJSON is the Result with its outputs masked and bounded.
func (r Result) MarshalJSON() ([]byte, error) {
	var o pyjson.Object
	r.fields(&o)
	return o.End(), nil
}

func (r Result) fields(o *pyjson.Object) {
	o.Int("exit_code", int64(r.Code))
	if r.Signal != 0 {
		o.String("signal", r.Signal.String())
	}
	o.Int("attempt", int64(r.Attempt))
	o.Int("duration_ns", int64(r.Duration))
	o.String("stdout", presentable(r.mask, r.Stdout).String())
	o.String("stderr", presentable(r.mask, r.Stderr).String())
	if len(r.Survivors) > 0 {
		pids, _ := json.Marshal(r.Survivors) // integers always do
		o.Raw("survivors", pids)
	}
}

// LogValue is a group of the same.
func (r Result) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("exit_code", r.Code), slog.String("status", r.Status.String()), slog.Duration("duration", r.Duration))
}

// Format prints an ExecError for every verb as its Error.
func (e *ExecError) Format(f fmt.State, verb rune) {
	text := e.Error()
	if verb == 'q' {
		text = fmt.Sprintf("%q", text)
	}
	io.WriteString(f, text)
}

// MarshalJSON is the whole ExecError; all of it is masked already.
func (e *ExecError) MarshalJSON() ([]byte, error) {
	var o pyjson.Object
	o.Strings("args", e.Args)
	o.String("stage", string(e.Stage))
	o.String("error", e.Err.Error())
	e.fields(&o)
	return o.End(), nil
}

// LogValue is the failure as a group, outputs included.
func (e *ExecError) LogValue() slog.Value {
	return slog.GroupValue(slog.String("command", Quote(e.Args)), slog.String("stage", string(e.Stage)), slog.String("error", e.Err.Error()),
		slog.Int("exit_code", e.ExitCode()), slog.Int("attempt", e.Attempt), slog.Duration("duration", e.Duration),
		slog.String("stdout", printable(e.Stdout.String())), slog.String("stderr", printable(e.Stderr.String())))
}

// printable writes as \xff what is no UTF-8, which slog's JSON handler would replace, and what is not printable, which it
// would let through (sudo, CVE-2023-28486: U+202E turns the direction of a line). Ends of lines and tabs stay; handlers
// escape them.
func printable(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
