//go:build linux

package host

import "testing"

// TestIsOwn has no file below /etc made, where another test's helper would read it.
func TestIsOwn(t *testing.T) {
	for path, want := range map[string]bool{
		"/etc/privhelper/privhelper.conf": true,
		"/etc/privhelper/net.conf":        true,
		"/srv/x/privhelper.conf":          true,
		"/etc/privhelper.conf":            true,
		"/etc/privhelper":                 false,
		"/etc/privhelper/sub/net.conf":    false,
		"/etc/privhelper2/net.conf":       false,
		"/etc/nova/rootwrap.conf":         false,
	} {
		if isOwn(path) != want {
			t.Errorf("%s: %t, want %t", path, !want, want)
		}
	}
}
