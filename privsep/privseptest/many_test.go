package privseptest_test

import (
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/privseptest"
)

// TestManyCalls: 10,000 calls of 64 goroutines leave nothing behind.
func TestManyCalls(t *testing.T) {
	w := newWorld(daemon.Options{})
	c := privseptest.Join(t, w.d, jobs)
	null, _ := os.Open("/dev/null")
	defer null.Close()
	go func() {
		for {
			select {
			case <-w.arg:
			case <-t.Context().Done():
				return
			}
		}
	}()
	run := func(n int) {
		var group sync.WaitGroup
		for range 64 {
			group.Go(func() {
				for i := range n / 64 {
					if i%16 == 0 {
						f, err := swap.Call(t.Context(), c, privsep.File{File: null})
						if err != nil {
							t.Error(err)
							return
						}
						f.Close()
					} else if _, err := add.Call(t.Context(), c, [2]int{i, 1}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
	}
	run(1024)
	testenv.WaitGoroutine(t, "client.(*session).receive(") // who receives where no call waits
	files, routines := descriptors(t), runtime.NumGoroutine()
	run(9024)
	settles(t, "descriptors and goroutines are as before", func() bool {
		return descriptors(t) <= files && runtime.NumGoroutine() <= routines
	})
}
