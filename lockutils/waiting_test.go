package lockutils_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/privhelper/privhelper/lockutils"
)

// A minute's wait costs less than 10 ms of processor time. Without PRIVHELPER_TEST_MINUTE two seconds are waited, and
// must cost no more either.
func TestWaitingCostsNothing(t *testing.T) {
	folder, _ := newCounter(t)
	h := hold(t, folder, "bridge")
	s := &lockutils.Set{Folder: folder, Names: lockutils.Oslo}
	got := make(chan error, 1)
	go func() {
		held, err := s.Lock(t.Context(), "bridge")
		if err == nil {
			err = held.Unlock()
		}
		got <- err
	}()
	awaitWaiters(t, filepath.Join(folder, "bridge"), 1)
	wait := 2 * time.Second
	if os.Getenv("PRIVHELPER_TEST_MINUTE") != "" {
		wait = time.Minute
	}
	before := processorTime(t)
	timer := time.NewTimer(wait)
	<-timer.C
	used := processorTime(t) - before
	h.free(t)
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	t.Logf("%v of waiting took %v of processor time", wait, used)
	if used > 10*time.Millisecond {
		t.Errorf("%v of waiting took %v of processor time", wait, used)
	}
}
