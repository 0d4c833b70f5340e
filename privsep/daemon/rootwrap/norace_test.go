//go:build !race

package rootwrap_test

import "time"

// atExit is how long a helper that is built with -race sleeps before it exits.
const atExit time.Duration = 0
