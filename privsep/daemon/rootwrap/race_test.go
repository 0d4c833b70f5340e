//go:build race

package rootwrap_test

import "time"

// atExit is how long a helper that is built with -race sleeps before it exits; GORACE, which could tell it not to, is
// not in its environment.
const atExit = time.Second
