package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is the version of this tree; CHANGELOG.md says what it holds.
const release = "0.1.0-dev"

// version is `privhelper version`.
func version() int {
	revision := "unknown revision"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	fmt.Printf("privhelper %s (%s, %s, %s/%s)\n", release, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return 0
}
