package testenv

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// leaks runs the tests and says which goroutines they have left, once those that are about to end have had their time.
func leaks(m *testing.M) int {
	code := m.Run()
	if code != 0 {
		return code
	}
	// A Forker's threads are never to end (internal/spawn), but with their process.
	err := goleak.Find(goleak.IgnoreAnyFunction("github.com/privhelper/privhelper/internal/spawn.(*Forker).live"))
	if err != nil {
		fmt.Fprintf(os.Stderr, "testenv: the tests have passed and left behind: %v\n", err)
		return 1
	}
	return 0
}
