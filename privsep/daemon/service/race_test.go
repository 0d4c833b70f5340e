//go:build race

package service_test

import "time"

// atExit is how long every process sleeps before it exits, under -race; a worker's environment says nothing against it.
const atExit = time.Second
