package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/privhelper/privhelper/internal/pyjson"
)

// words are a command line for a terminal.
func words(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		if q := strconv.QuoteToASCII(a); strings.ContainsAny(a, " '\"") || a == "" || len(q) != len(a)+len(`""`) {
			a = q
		}
		quoted[i] = a
	}
	return strings.Join(quoted, " ")
}

func printHelpers(w io.Writer, all []helper) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no helper runs that this user may look at")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PID\tUID\tUP\tWHAT")
	for _, h := range all {
		fmt.Fprintf(t, "%d\t%d\t%v\tprivhelper %s\n", h.pid, h.uid, h.age.Round(time.Second), words(h.args))
		if h.capabilities != "" {
			fmt.Fprintf(t, "\t\t\t  keeps %s\n", h.capabilities)
		}
		for _, l := range h.locks {
			fmt.Fprintf(t, "\t\t\t  holds %s\n", words([]string{l}))
		}
		for _, c := range h.commands {
			fmt.Fprintf(t, "%d\t\t%v\t  runs %s\n", c.pid, c.age.Round(time.Second), words(c.args))
		}
	}
	return t.Flush()
}

func helpersJSON(all []helper) []byte {
	out := []byte{'['}
	for i, h := range all {
		if i > 0 {
			out = append(out, ", "...)
		}
		var o pyjson.Object
		o.Int("pid", int64(h.pid))
		o.Strings("args", h.args)
		o.Int("uid", int64(h.uid))
		o.Raw("age", seconds(h.age))
		o.Strings("capabilities", strings.FieldsFunc(h.capabilities, func(r rune) bool { return r == ',' }))
		o.Strings("locks", h.locks)
		commands := []byte{'['}
		for j, c := range h.commands {
			if j > 0 {
				commands = append(commands, ", "...)
			}
			var one pyjson.Object
			one.Int("pid", int64(c.pid))
			one.Strings("args", c.args)
			one.Raw("age", seconds(c.age))
			commands = append(commands, one.End()...)
		}
		o.Raw("commands", append(commands, ']'))
		out = append(out, o.End()...)
	}
	return append(out, "]\n"...)
}

func seconds(d time.Duration) []byte { return strconv.AppendFloat(nil, d.Seconds(), 'f', 2, 64) }

// helpersOpenMetrics is for a textfile collector.
func helpersOpenMetrics(all []helper) string {
	var b strings.Builder
	family := func(name, help string, value func(helper) string) {
		fmt.Fprintf(&b, "# TYPE privhelper_process_%s gauge\n# HELP privhelper_process_%s %s\n", name, name, help)
		for _, h := range all {
			fmt.Fprintf(&b, "privhelper_process_%s{pid=\"%d\",uid=\"%d\"} %s\n", name, h.pid, h.uid, value(h))
		}
	}
	family("age_seconds", "For how long a helper has run.", func(h helper) string { return string(seconds(h.age)) })
	family("commands", "Processes that a helper has started.", func(h helper) string { return strconv.Itoa(len(h.commands)) })
	family("locks_held", "Files that a helper holds locked.", func(h helper) string { return strconv.Itoa(len(h.locks)) })
	return b.String() + "# EOF\n"
}
