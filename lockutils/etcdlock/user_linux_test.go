package etcdlock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/privhelper/privhelper/lockutils"
	"github.com/privhelper/privhelper/lockutils/etcdlock"
)

// A cluster with users gives locks to the user of the URL, whose password stands there or in a file, below the prefix that
// its role has; what is refused for good is not waited for.
func TestUser(t *testing.T) {
	c := startCluster(t, 1)
	c.open("/u").Close() // it is up
	root := c.client()
	ctx := t.Context()
	for _, err := range []error{
		second(root.UserAdd(ctx, "root", "toor")),
		second(root.RoleAdd(ctx, "root")),
		second(root.UserGrantRole(ctx, "root", "root")),
		second(root.UserAdd(ctx, "svc", "p@ss/word")),
		second(root.RoleAdd(ctx, "locks")),
		second(root.RoleGrantPermission(ctx, "locks", "/u/", clientv3.GetPrefixRangeEnd("/u/"), clientv3.PermissionType(clientv3.PermReadWrite))),
		second(root.UserGrantRole(ctx, "svc", "locks")),
		second(root.AuthEnable(ctx)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("p@ss/word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := c.members[0].address
	for _, url := range []string{"etcd://svc:p%40ss%2Fword@" + at + "/u?ttl=5s", "etcd://svc@" + at + "/u?ttl=5s&password-file=" + file} {
		locks, err := lockutils.Open(ctx, url, etcdlock.Scheme)
		if err != nil {
			t.Fatal(err)
		}
		unlock(t, lock(t, locks, "x"))
		if err := locks.Close(); err != nil {
			t.Error(err)
		}
	}
	for url, want := range map[string]error{
		"etcd://svc:wrong@" + at + "/u":               rpctypes.ErrAuthFailed,
		"etcd://" + at + "/u":                         rpctypes.ErrUserEmpty,
		"etcd://svc:p%40ss%2Fword@" + at + "/another": rpctypes.ErrPermissionDenied,
	} {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		locks, err := lockutils.Open(ctx, url, etcdlock.Scheme)
		if err == nil {
			t.Errorf("%s: opened", url)
			locks.Close()
		} else if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", url, err, want)
		}
		cancel()
	}
}

func second[T any](_ T, err error) error { return err }
