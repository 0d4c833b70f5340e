package stats

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteText writes the Stats for a person.
func (s Stats) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	name := "commands"
	if s.Context != "" {
		name = s.Context
	}
	fmt.Fprintf(t, "helper %d (%s), up %v", s.PID, name, s.Uptime.Round(time.Second))
	if s.Policy != "" {
		fmt.Fprintf(t, ", %d rules, policy %s", s.Rules, s.Policy)
	}
	fmt.Fprintf(t, "\n%d of %d slots taken, %d stuck; %d of %d waiting; %d bytes and %d files held\n", s.Running, s.Slots, s.Stuck, s.Waiting, s.Queue, s.HeldBytes, s.HeldFiles)
	if s.AuditLost > 0 {
		fmt.Fprintf(t, "%d lines of the audit log are lost\n", s.AuditLost)
	}
	if s.LogDropped > 0 {
		fmt.Fprintf(t, "%d records of handlers are lost: the client did not read them in time\n", s.LogDropped)
	}
	if len(s.InFlight) > 0 {
		fmt.Fprintf(t, "\nIN FLIGHT\tFOR\tPID\tRULE\tLOCKS\n")
	}
	for _, c := range s.InFlight {
		fmt.Fprintf(t, "%s\t%v\t%s\t%s\t%s\n", c.Entrypoint, c.Age.Round(time.Millisecond), dash(c.PID), dash(c.Rule), locks(c))
	}
	if len(s.Decisions) > 0 {
		fmt.Fprintf(t, "\nRULE\tOUTCOME\tCOMMANDS\n")
	}
	for _, d := range s.Decisions {
		fmt.Fprintf(t, "%s\t%s\t%d\n", dash(d.Rule), d.Outcome, d.Count)
	}
	if len(s.Calls) > 0 {
		fmt.Fprintf(t, "\nENTRYPOINT\tOUTCOME\tCALLS\n")
	}
	for _, c := range s.Calls {
		fmt.Fprintf(t, "%s\t%s\t%d\n", dash(c.Entrypoint), c.Outcome, c.Count)
	}
	return t.Flush()
}

// dash is a name or a number, where there is one, safe for a terminal.
func dash[T comparable](v T) string {
	var none T
	if v == none {
		return "-"
	}
	text := fmt.Sprint(v)
	if quoted := strconv.QuoteToASCII(text); len(quoted) != len(text)+len(`""`) {
		return quoted
	}
	return text
}

func locks(c Call) string {
	text := dash(strings.Join(c.Locks, ","))
	if len(c.Locks) > 0 && !c.Locked {
		text += " (waits)"
	}
	if c.Stuck {
		text += " (stuck)"
	}
	return text
}

// WriteOpenMetrics writes the Stats in the text format of OpenMetrics 1.0, its end marker included. A node exporter's
// textfile collector takes it from a file: write another one beside it, and rename that.
func (s Stats) WriteOpenMetrics(w io.Writer) error {
	b := &strings.Builder{}
	metric := func(name, kind, help string) {
		fmt.Fprintf(b, "# TYPE privhelper_%s %s\n# HELP privhelper_%s %s\n", name, kind, name, help)
	}
	gauge := func(name, help string, value int) {
		metric(name, "gauge", help)
		fmt.Fprintf(b, "privhelper_%s %d\n", name, value)
	}
	metric("helper", "info", "The root helper that these are of.")
	fmt.Fprintf(b, "privhelper_helper_info{context=%s,policy=%s} 1\n", label(s.Context), label(s.Policy))
	metric("uptime_seconds", "gauge", "For how long the helper has served.")
	fmt.Fprintf(b, "privhelper_uptime_seconds %.3f\n", s.Uptime.Seconds())
	gauge("slots", "Calls that can run at once.", s.Slots)
	gauge("running", "Slots that are taken.", s.Running)
	gauge("stuck", "Slots whose handler has outlived its call.", s.Stuck)
	gauge("waiting", "Calls that wait for a slot.", s.Waiting)
	gauge("held_bytes", "What unanswered calls hold.", s.HeldBytes)
	gauge("held_files", "Open files that unanswered calls hold.", s.HeldFiles)
	gauge("rules", "Rules of the policy.", s.Rules)
	waiting, held := 0, 0
	for _, c := range s.InFlight {
		if c.Locked {
			held += len(c.Locks)
		} else if len(c.Locks) > 0 {
			waiting++
		}
	}
	gauge("locks_held", "Named locks that commands hold.", held)
	gauge("lock_waits", "Commands that wait for a lock.", waiting)
	metric("calls", "counter", "Calls answered, by entrypoint and outcome.")
	for _, c := range s.Calls {
		fmt.Fprintf(b, "privhelper_calls_total{entrypoint=%s,outcome=%s} %d\n", label(c.Entrypoint), label(c.Outcome), c.Count)
	}
	metric("decisions", "counter", "Decisions about commands, by rule and outcome.")
	for _, d := range s.Decisions {
		fmt.Fprintf(b, "privhelper_decisions_total{rule=%s,outcome=%s} %d\n", label(d.Rule), label(d.Outcome), d.Count)
	}
	metric("audit_lost_lines", "counter", "Lines that the audit log did not take.")
	fmt.Fprintf(b, "privhelper_audit_lost_lines_total %d\n", s.AuditLost)
	metric("log_dropped_records", "counter", "Records of handlers that the client did not read in time.")
	fmt.Fprintf(b, "privhelper_log_dropped_records_total %d\n", s.LogDropped)
	b.WriteString("# EOF\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// label quotes a label's value, which is UTF-8.
func label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(strings.ToValidUTF8(s, "\ufffd")) + `"`
}
