package lockutils_test

import (
	"context"
	"fmt"

	"github.com/privhelper/privhelper/lockutils"
)

// othersChild says which files of root an ordinary user can lock, and share.
func othersChild(args []string) error {
	s := &lockutils.Set{Folder: args[0], SharedFolder: true}
	for _, name := range []string{"mine", "readable", "open"} {
		var got [2]bool
		for i, lock := range []func(context.Context, string) (*lockutils.Held, error){s.Lock, s.RLock} {
			held, err := lock(context.Background(), name)
			if got[i] = err == nil; got[i] {
				if err := held.Unlock(); err != nil {
					return err
				}
			}
		}
		fmt.Printf("%s: %v %v\n", name, got[0], got[1])
	}
	return nil
}
