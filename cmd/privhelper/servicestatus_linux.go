package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/privhelper/privhelper/privsep/daemon/service"
)

// serviceStatus is `privhelper status --control`: what a service says of itself, and each of its workers of its client.
func serviceStatus(f flags) int {
	if f.openMetrics {
		return fail(exitNoCommand, "status: --control has no --openmetrics")
	}
	s, err := service.Ask(f.control)
	if err != nil {
		return fail(exitBadConfig, "status: %v", err)
	}
	if f.json {
		err = json.NewEncoder(os.Stdout).Encode(s)
	} else {
		err = printService(os.Stdout, s)
	}
	if err != nil {
		return fail(exitBadConfig, "status: %v", err)
	}
	return 0
}

func printService(w io.Writer, s service.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	stopping := ""
	if s.Stopping {
		stopping = ", stopping"
	}
	fmt.Fprintf(t, "%s: process %d, %d workers ready, %d clients served, %d waiting%s\n", words([]string{s.Name}), s.PID, s.Ready, len(s.Connections), s.Waiting, stopping)
	if len(s.Connections) > 0 {
		fmt.Fprintln(t, "WORKER\tUID\tCLIENT\tUP\tWHAT")
	}
	for _, c := range s.Connections {
		st := c.Stats
		if st == nil {
			fmt.Fprintf(t, "%d\t%d\t%d\t\tdoes not answer\n", c.Worker, c.UID, c.PID)
			continue
		}
		fmt.Fprintf(t, "%d\t%d\t%d\t%v\t%d calls run, %d wait\n", c.Worker, c.UID, c.PID, st.Uptime.Round(time.Second), st.Running, st.Waiting)
		for _, d := range st.Decisions {
			fmt.Fprintf(t, "\t\t\t\t  %s %s %d\n", words([]string{d.Rule}), d.Outcome, d.Count)
		}
	}
	return t.Flush()
}
