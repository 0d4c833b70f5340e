package testenv

import "os"

// Alone says that nothing else runs on this machine, so that a test can hold what a machine under load makes meaningless to
// its bound: .ci/run sets PRIVHELPER_TEST_ALONE in a step of its own. Elsewhere such a test says what it saw.
func Alone() bool { return os.Getenv("PRIVHELPER_TEST_ALONE") != "" }
