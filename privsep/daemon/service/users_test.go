//go:build linux

package service

import (
	"testing"
	"time"
)

func TestConnectionsOfUsers(t *testing.T) {
	now := time.Now()
	l := Limits{Connections: 5, PerUser: 2, Calls: 10}
	u := users{all: map[uint32]*user{}}
	for _, step := range []struct {
		uid  uint32
		gone bool
		want string
	}{
		{uid: 1}, {uid: 1},
		{uid: 1, want: "uid 1 has 2 connections to the service already, which is its limit"},
		{uid: 2}, {uid: 2}, {uid: 3},
		{uid: 4, want: "the service has 5 connections already, which is its limit"},
		{uid: 0, want: "the service has 5 connections already, which is its limit"},
		{uid: 1, gone: true},
		{uid: 4},
		{uid: 1, want: "the service has 5 connections already, which is its limit"},
	} {
		if step.gone {
			u.disconnect(step.uid)
			continue
		}
		got := ""
		if err := u.connect(step.uid, l, now); err != nil {
			got = err.Error()
		}
		if got != step.want {
			t.Errorf("uid %d: %q, want %q", step.uid, got, step.want)
		}
	}
}

// What a user has used counts for its next connection too: `privhelper run` makes one for each command.
func TestCallsOfUsers(t *testing.T) {
	now := time.Now()
	l := Limits{Connections: 5, PerUser: 2, Calls: 10}
	u := users{all: map[uint32]*user{}}
	connect := func(uid uint32) {
		t.Helper()
		if err := u.connect(uid, l, now); err != nil {
			t.Fatal(err)
		}
	}
	take := func(uid uint32, n, want int) {
		t.Helper()
		if got := u.take(uid, n, l, now); got != want {
			t.Errorf("uid %d takes %d: %d, want %d", uid, n, got, want)
		}
	}
	connect(1)
	connect(2)
	take(1, 4, 4)
	take(1, 8, 6)
	take(1, 1, 0)
	take(2, 1, 1)
	u.disconnect(1)
	connect(1)
	take(1, 1, 0)
	now = now.Add(500 * time.Millisecond)
	take(1, 8, 5)
	now = now.Add(time.Hour)
	take(1, 100, 10)

	u.disconnect(1)
	u.disconnect(2)
	connect(3) // forgets 2, who has a second's calls, and not 1, who has none
	if len(u.all) != 2 || u.all[1] == nil {
		t.Errorf("%d users are remembered", len(u.all))
	}
	if l.Calls = -1; u.take(3, 1<<20, l, now) != 1<<20 {
		t.Error("a limit where there is none")
	}
}
