package lockutils_test

import (
	"context"
	"testing"
	"time"

	"github.com/privhelper/privhelper/lockutils"
)

// The watch says once of each use that it is too long: of the one that holds, and of the one that waits.
func TestWatch(t *testing.T) {
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder}
	held, err := s.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 1)
	go func() {
		_, err := s.RLock(ctx, "a")
		waited <- err
	}()
	eventually(t, 5*time.Second, "it waits", func() bool { return len(s.Snapshot()) == 2 })
	snap := s.Snapshot()
	if !snap[0].Held || snap[0].Shared || snap[1].Held || !snap[1].Shared || snap[0].Name != "a" || snap[0].Path != held.Path {
		t.Errorf("snapshot %+v", snap)
	}

	reports := make(chan lockutils.Use, 100)
	watch, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	const limit = 30 * time.Millisecond
	go func() {
		s.Watch(watch, limit, func(u lockutils.Use) { reports <- u })
		close(ended)
	}()
	for range 2 {
		select {
		case u := <-reports:
			if over := time.Since(u.Since); over < limit {
				t.Errorf("%+v after %v", u, over)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was reported")
		}
	}
	time.Sleep(3 * limit) // nothing is said twice
	cancel()
	<-waited
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	stop()
	<-ended
	if n := len(reports); n > 0 {
		t.Errorf("%d more reports: %+v", n, <-reports)
	}
}
