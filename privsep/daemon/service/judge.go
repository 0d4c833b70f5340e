//go:build linux

package service

import (
	"fmt"
	"slices"
)

// judge says why somebody may not use the service, in one line that says whom to ask; nil: he may. It tells nothing of
// the machine but the name of the configuration, which every installation has at the same place.
func (s *Setup) judge(p peer, theirs func() (namespaces, error), ours namespaces) error {
	named := p.UID == 0 || slices.Contains(s.Clients.UIDs, p.UID) ||
		slices.ContainsFunc(p.groups, func(gid uint32) bool { return slices.Contains(s.Clients.GIDs, gid) })
	if !named {
		return fmt.Errorf("uid %d may not use this service: ask root of this machine to name the user, or a @group, in `clients =` of %s", p.UID, s.Name)
	}
	if s.Clients.AnyNamespace {
		return nil
	}
	n, err := theirs()
	switch {
	case err != nil:
		return err
	case n.user != ours.user:
		return fmt.Errorf("a process of another user namespace may not use this service: ask root of this machine whether to set `clients_namespaces = any` in %s", s.Name)
	case n.pid != ours.pid:
		return fmt.Errorf("a process of another pid namespace may not use this service: ask root of this machine whether to set `clients_namespaces = any` in %s", s.Name)
	}
	return nil
}
