//go:build linux

package service

import (
	"errors"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/privsep/daemon"
)

func TestJudge(t *testing.T) {
	ours := namespaces{user: 1, pid: 2}
	s := &Setup{Name: "/etc/privhelper/net.conf", Clients: Clients{UIDs: []uint32{10}, GIDs: []uint32{20}}}
	any := &Setup{Name: s.Name, Clients: Clients{UIDs: []uint32{10}, AnyNamespace: true}}
	gone := errors.New("it has ended")
	for _, c := range []struct {
		name       string
		setup      *Setup
		uid        uint32
		groups     []uint32
		namespaces namespaces
		err        error
		want       string // begins the refusal; "": may
	}{
		{name: "named", setup: s, uid: 10, namespaces: ours},
		{name: "in a group", setup: s, uid: 11, groups: []uint32{11, 20}, namespaces: ours},
		{name: "root", setup: s, uid: 0, namespaces: ours},
		{name: "nobody is named", setup: &Setup{}, uid: 10, namespaces: ours, want: "uid 10 may not use this service: ask root"},
		{name: "stranger", setup: s, uid: 11, groups: []uint32{11, 10}, namespaces: ours, want: "uid 11 may not use this service: ask root"},
		{name: "a gid is no uid", setup: s, uid: 20, groups: []uint32{21}, namespaces: ours, want: "uid 20 may not use"},
		{name: "container", setup: s, uid: 10, namespaces: namespaces{user: 3, pid: 2}, want: "a process of another user namespace"},
		{name: "root of a container", setup: s, uid: 0, namespaces: namespaces{user: 3, pid: 3}, want: "a process of another user namespace"},
		{name: "pid namespace", setup: s, uid: 10, namespaces: namespaces{user: 1, pid: 3}, want: "a process of another pid namespace"},
		{name: "gone", setup: s, uid: 10, err: gone, want: "it has ended"},
		{name: "any namespace", setup: any, uid: 10, namespaces: namespaces{user: 3, pid: 3}, err: gone},
		{name: "any namespace is not anybody", setup: any, uid: 11, namespaces: ours, want: "uid 11 may not use"},
	} {
		err := c.setup.judge(peer{daemon.Peer{UID: c.uid}, c.groups}, func() (namespaces, error) { return c.namespaces, c.err }, ours)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got == "" != (c.want == "") || !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
