// Command client-demo is a service that uses privhelper for all that it is for, and an example to copy: contract/ is
// what both sides agree on, helper_linux.go the root half, steps.go the service.
//
//	go run ./cmd/client-demo [--verbose] [--root-helper CMD]
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
)

// helperFlag starts this program as its own root helper. main answers it before anything else.
const helperFlag = "demo-root-helper"

func main() {
	if len(os.Args) == 3 && os.Args[1] == helperFlag {
		helper(os.Args[2])
		return
	}
	verbose := flag.Bool("verbose", false, "show the log")
	rootHelper := flag.String("root-helper", "", "start the helper with this prefix `command`, for example \"sudo -n\"")
	flag.Parse()
	level := slog.LevelError
	if *verbose {
		level = slog.LevelDebug
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	if err := demo(*rootHelper); err != nil {
		fmt.Fprintf(os.Stderr, "client-demo: %v\n", err)
		os.Exit(1)
	}
}
