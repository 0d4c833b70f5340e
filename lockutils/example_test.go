package lockutils_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/privhelper/privhelper/lockutils"
)

func Example() {
	folder, err := os.MkdirTemp("", "locks")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)

	set := &lockutils.Set{Folder: folder}
	held, err := set.Lock(context.Background(), "bridge/br0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer held.Unlock()

	// Somebody else gives up after a while, and is told who has it.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = set.Lock(ctx, "bridge/br0")
	var wait *lockutils.WaitError
	if errors.As(err, &wait) && errors.Is(err, context.DeadlineExceeded) {
		fmt.Println("held by this process:", wait.Holder.Pid == os.Getpid())
	}
	// Output: held by this process: true
}

// What holds a lock says so by its ctx, and a call that could only wait for itself is refused.
func ExampleSet_Do() {
	folder, err := os.MkdirTemp("", "locks")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)

	set := &lockutils.Set{Folder: folder}
	err = set.Do(context.Background(), "volume-7", func(ctx context.Context) error {
		return set.Do(ctx, "volume-7", func(context.Context) error { return nil })
	})
	fmt.Println(err)
	// Output: lock "volume-7": the ctx given is of a call that holds it already: deadlock
}

// Names of one process's own need no files.
func ExampleKeys() {
	var volumes lockutils.Keys
	held, err := volumes.Lock(context.Background(), "volume-7")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer held.Unlock()
	_, free := volumes.TryLock("volume-7")
	fmt.Println("free:", free)
	// Output: free: false
}
