package processutils_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/processutils"
)

// prefix runs a command with a helper, as an ordinary user.
func prefix(args []string) error {
	p := processutils.Prefix{Helper: args[0]}
	res, err := p.Run(context.Background(), processutils.Command("/bin/echo", "two words"))
	fmt.Print(res.Stdout)
	if errors.Is(err, processutils.ErrNoRootHelper) {
		fmt.Println("no root helper:", err)
		return nil
	}
	return err
}

func TestPrefix(t *testing.T) {
	for _, c := range []struct{ helper, want string }{
		{"/usr/bin/env -- ", "two words"},
		{`sh -c 'echo "as root: $*"' "a helper"`, "as root: /bin/echo two words"},
		{"", "no root helper: run /bin/echo 'two words': the command needs root, and no root helper is configured"},
		{"  ", "no root helper: run /bin/echo 'two words': the command needs root, and no root helper is configured"},
	} {
		child := testenv.Child(t, "prefix", c.helper)
		testenv.AsUser(t, child)
		if got := strings.TrimSpace(string(testenv.Output(t, child))); got != c.want {
			t.Errorf("helper %q: %q, want %q", c.helper, got, c.want)
		}
	}
}

// Who is root needs no helper.
func TestPrefixAsRoot(t *testing.T) {
	testenv.NeedRoot(t)
	for _, helper := range []string{"", "/no/such/helper"} {
		res, err := processutils.Prefix{Helper: helper}.Run(t.Context(), processutils.Command("echo", "x"))
		if err != nil || res.Stdout.String() != "x\n" {
			t.Error(res, err)
		}
	}
}

func TestSplitWords(t *testing.T) {
	for in, want := range map[string][]string{
		"":                              nil,
		"sudo -n":                       {"sudo", "-n"},
		" a\tb\n c ":                    {"a", "b", "c"},
		`a 'b c' "d 'e'" f\ g`:          {"a", "b c", "d 'e'", "f g"},
		`'' ""`:                         {"", ""},
		`"a\"b" "c\d" 'e\f' g\h`:        {`a"b`, `c\d`, `e\f`, "gh"},
		`pre'mid'"dle"post`:             {"premiddlepost"},
		"$HOME `id` *.c # no comment ~": {"$HOME", "`id`", "*.c", "#", "no", "comment", "~"},
	} {
		if got, err := processutils.SplitWords(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("SplitWords(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"'", `"a`, `a\`, `"a\`} {
		if got, err := processutils.SplitWords(in); err == nil {
			t.Errorf("SplitWords(%q) = %q", in, got)
		}
	}
}

// What Quote writes, bash reads as the same words; dash too, where all is printable.
func TestQuote(t *testing.T) {
	args := []string{"plain", "", "two words", "it's", `back\slash`, "*", "$HOME", "ümläut", "tab\tline\n", "\xff\x00"[:1], "\u202e", "-x=1"}
	bash := testenv.NeedProgram(t, "bash", "bash")
	got := run(t, processutils.Command(bash, "-c", `printf '%s\0' `+processutils.Quote(args)))
	if want := strings.Join(args, "\x00") + "\x00"; got != want {
		t.Errorf("bash reads %q, want %q", got, want)
	}
	if line := processutils.Quote(args); strings.ContainsAny(line, "\n\t") || strings.Contains(line, "\xff") || strings.Contains(line, "\u202e") {
		t.Errorf("%q may not stand in a log", line)
	}
}

func FuzzSplitWords(f *testing.F) {
	for _, s := range []string{"a b", `'`, `"\`, `a\ b`, "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		// A printable word that was quoted is the same word when it is split again.
		if words, err := processutils.SplitWords(s); err == nil && !strings.Contains(processutils.Quote(words), "$'") {
			again, err := processutils.SplitWords(processutils.Quote(words))
			if err != nil || !slices.Equal(again, words) {
				t.Errorf("%q: %q, then %q, %v", s, words, again, err)
			}
		}
	})
}
