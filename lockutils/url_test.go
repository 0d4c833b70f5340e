package lockutils_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/lockutils"
)

func TestOpenFile(t *testing.T) {
	for url, folder := range map[string]string{
		"file:///run/lock/x":          "/run/lock/x",
		"file://localhost/run/lock/x": "/run/lock/x",
		"file:///run/a%20b%3F":        "/run/a b?",
		"file:///run/%C3%A4":          "/run/ä",
	} {
		opened, err := lockutils.Open(t.Context(), url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if set, ok := opened.Locker.(*lockutils.Set); !ok || set.Folder != folder {
			t.Errorf("%s: %#v, want a Set of %s", url, opened.Locker, folder)
		}
		if err := opened.Close(); err != nil {
			t.Errorf("%s: close: %v", url, err)
		}
	}
	for _, url := range []string{"", "/run/lock", "file:/run/lock", "file://run/lock", "file:///run?fair=1", "file:///run#x", "file:///%", "file:///%4", "file:///%zz", "file:///%00"} {
		if opened, err := lockutils.Open(t.Context(), url); err == nil {
			t.Errorf("%q: opened %v", url, opened.Locker)
		}
	}
	// What was opened locks, and excludes a Set of the same folder.
	folder := t.TempDir()
	opened, err := lockutils.Open(t.Context(), "file://"+folder)
	if err != nil {
		t.Fatal(err)
	}
	held, err := opened.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Unlock()
	if _, err := (&lockutils.Set{Folder: folder}).TryLock(t.Context(), "a"); !errors.Is(err, lockutils.ErrBusy) {
		t.Errorf("a second Set: %v", err)
	}
}

// closing is an engine that only counts how often it was closed.
type closing struct {
	lockutils.Set
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return nil
}

func TestOpenSchemes(t *testing.T) {
	engine := &closing{}
	var asked string
	scheme := lockutils.Scheme{Name: "other", Open: func(_ context.Context, url string) (lockutils.Locker, error) {
		asked = url
		return engine, nil
	}}
	opened, err := lockutils.Open(t.Context(), "other://h/p", scheme)
	if err != nil || asked != "other://h/p" || opened.Locker != lockutils.Locker(engine) {
		t.Errorf("%v, %v, asked for %q", opened, err, asked)
	}
	if err := opened.Close(); err != nil || engine.closed != 1 {
		t.Errorf("closed %d times: %v", engine.closed, err)
	}

	// A scheme that was not passed is named, and the package that has it; a password is not.
	for url, want := range map[string]string{
		"etcd://u:hunter2@h/p": "etcdlock.Scheme",
		"odd://u:hunter2@h/p":  `"odd"`,
	} {
		_, err := lockutils.Open(t.Context(), url, scheme)
		if !errors.Is(err, lockutils.ErrScheme) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
