package processutils_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/processutils"
)

// A secret in the command line, in the environment, in the input and in both outputs shows nowhere but in the Result that
// the caller reads: not in records of the log, in errors, or however any of it is printed (Launchpad 1482382, 1320028;
// CVE-2014-7230).
func TestSecretsShowNowhere(t *testing.T) {
	var log bytes.Buffer
	for _, handler := range []slog.Handler{
		slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}), slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}),
	} {
		c := processutils.Shell(`cat; echo "value $1, password=Named" >&2; printf '%s' "$X_TOKEN"; exit $2`, "Gi'v\"en", "1", "mysql", "-pOption", "http://u:Url@h/", "\xff")
		c.Secrets = []string{"Gi'v\"en", "Input"}
		c.Env = []string{"X_TOKEN=Environment"}
		c.Input = []byte("Input \xfe\u202e\n")
		c.Logger, c.LogErrors = slog.New(handler), processutils.LogErrorsAll
		secrets := []string{"Gi'v", "Named", "Option", "Url", "Input"}
		failed := failure(t, local, t.Context(), c)
		c.Accept = []int{1}
		res, err := local.Run(t.Context(), c)
		if err != nil || !strings.Contains(res.Stderr.String(), "Gi'v\"en, password=Named") {
			t.Fatalf("what the caller reads: %q, %v", res.Stderr, err)
		}
		texts := []string{log.String(), failed.Error(), failed.Err.Error(), failed.Stdout.String(), failed.Stderr.String(), fmt.Sprint(failed.Args)}
		for _, v := range []any{c, &c, failed, *failed, res, &res, []any{c, failed}, map[string]any{"x": c}, fmt.Errorf("x: %w", failed)} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
				texts = append(texts, fmt.Sprintf(verb, v))
			}
			text, err := json.Marshal(v)
			if err != nil {
				t.Error(err)
			}
			texts = append(texts, string(text))
		}
		for _, text := range texts {
			for _, secret := range secrets {
				if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
					t.Errorf("%q shows in %s", secret, text)
				}
			}
		}
		for _, v := range []any{c} { // the environment is masked where it shows
			if text := fmt.Sprintf("%+v", v); strings.Contains(text, "Environment") || !strings.Contains(text, "X_TOKEN=***") {
				t.Error(text)
			}
		}
	}
	// Bytes that are no UTF-8 survive: in the error as they are, escaped in lines and JSON. What turns a line does not.
	if text := log.String(); strings.Count(text, `\\xff`) != 12 || strings.Count(text, `\\xfe\\xe2\\x80\\xae`) != 2 || strings.ContainsAny(text, "\ufffd\u202e") {
		t.Error(text)
	}
}

func TestBytesSurvive(t *testing.T) {
	failed := failure(t, local, t.Context(), processutils.Shell(`printf '\377 password=x \376'; exit 1`, "\xfd"))
	if string(failed.Stdout.Bytes()) != "\xff password=*** \xfe" || failed.Args[4] != "\xfd" {
		t.Errorf("%q, %q", failed.Stdout, failed.Args)
	}
	text, err := json.Marshal(failed)
	if err != nil || !bytes.Contains(text, []byte(`"\udcff password=*** \udcfe"`)) || !bytes.Contains(text, []byte(`"\udcfd"`)) {
		t.Errorf("%s, %v", text, err)
	}
}

// An error carries 32 KiB of each output at most, and no half of a secret stands beside what was left out.
func TestErrorOutputsAreBounded(t *testing.T) {
	c := processutils.Shell("i=0; while [ $i -lt 4000 ]; do echo \"line $i password=Secret$i\"; i=$((i+1)); done; exit 1")
	for _, bound := range []int{0, 5000} {
		c.Bound = bound
		got := failure(t, local, t.Context(), c).Stdout
		if len(got.Head)+len(got.Tail) > 32<<10 || got.Omitted == 0 || len(got.Head) == 0 || len(got.Tail) == 0 {
			t.Errorf("bound %d: %d, %d, %d", bound, len(got.Head), got.Omitted, len(got.Tail))
		}
		if text := got.String(); strings.Contains(text, "Secret") || strings.Contains(text, "ecret") {
			t.Errorf("bound %d: %s", bound, text)
		}
	}
}

func TestLogErrors(t *testing.T) {
	for level, want := range map[processutils.LogErrors]int{processutils.LogErrorsDefault: 0, processutils.LogErrorsAll: 3, processutils.LogErrorsFinal: 1} {
		var log bytes.Buffer
		c := processutils.Command("false")
		c.LogErrors, c.LogLevel = level, slog.LevelWarn
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		failure(t, processutils.Retry{Attempts: 3, MaxDelay: none}, t.Context(), c)
		if got := strings.Count(log.String(), `msg="command failed"`); got != want {
			t.Errorf("LogErrors %d: %d records, want %d\n%s", level, got, want, log.String())
		}
		if got := strings.Count(log.String(), `level=WARN msg="running command"`); got != 3 {
			t.Errorf("%d runs are logged\n%s", got, log.String())
		}
	}
}
