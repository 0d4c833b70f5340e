package rootwrap

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/privsep"
)

// A need is a capability that a helper must have itself to do what a key of a rule's section says.
type need struct {
	key        string
	capability privsep.Capability
	why        string
}

// needs returns what a rule's section takes.
func needs(loaded *host.Loaded, r *filters.Rule) (all []need) {
	s := r.Section
	if s.NoNetwork {
		all = append(all, need{"network", privsep.CAP_SYS_ADMIN, "to make a network"})
	}
	if s.Nice < 0 {
		all = append(all, need{"nice", privsep.CAP_SYS_NICE, "to go below its own"})
	}
	if len(s.Locks) > 0 && loaded.Config.LockPathShared {
		all = append(all, need{"lock", privsep.CAP_DAC_OVERRIDE, "to open lock files of others"})
	}
	account, err := loaded.AccountOf(r)
	for _, l := range s.Limits {
		key := "rlimit_" + l.Resource
		var own syscall.Rlimit
		switch {
		case err == nil && (account.UID != os.Geteuid() || account.GID != os.Getegid()):
			all = append(all, need{key, privsep.CAP_SYS_RESOURCE, "to limit a process of another user (prlimit(2))"})
		case syscall.Getrlimit(resources[l.Resource], &own) == nil && own.Max < l.Hard:
			all = append(all, need{key, privsep.CAP_SYS_RESOURCE, fmt.Sprintf("to go above its own hard limit, %d", own.Max)})
		}
	}
	return all
}

// Feasible refuses a policy of which some rule's section takes more than this process has: held are its capabilities,
// bounding what a command may have at most.
func Feasible(loaded *host.Loaded, held, bounding privsep.Capabilities) error {
	for _, r := range loaded.Policy.Rules() {
		for _, name := range r.Section.Capabilities {
			if c, err := privsep.ParseCapabilities(name); err != nil || c&^bounding != 0 {
				return r.Fault("capabilities", fmt.Errorf("this helper was not given %s", name))
			}
		}
		for _, n := range needs(loaded, r) {
			if !held.Has(n.capability) {
				return r.Fault(n.key, errors.New("this helper was not given "+n.capability.String()+", which it takes "+n.why))
			}
		}
	}
	return nil
}
