package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	root "github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// caller is who asks for a command: the real uid, or where that is root's the one that sudo or doas names. These two are
// root's word: whoever is not root has another real uid. Only one of the two can be: sudo keeps DOAS_USER of its caller's, and
// doas SUDO_UID, where they are told to keep the environment. Where both are there and differ, nobody knows who it is.
func caller(loaded *host.Loaded) filters.Client {
	uid := os.Getuid()
	if uid != 0 {
		return loaded.Client(uint32(uid), ownGroups())
	}
	said, ofSudo := os.LookupEnv("SUDO_UID")
	name, ofDoas := os.LookupEnv("DOAS_USER")
	if !ofSudo && !ofDoas {
		return loaded.Client(0, nil)
	}
	sudoer, err := filters.ParseID(said)
	if ofSudo && err != nil {
		return nil // somebody whom nobody knows
	}
	if !ofDoas {
		return loaded.Client(sudoer, nil)
	}
	account, err := loaded.LookupUser(name)
	if err != nil || ofSudo && sudoer != uint32(account.UID) {
		return nil
	}
	return loaded.Client(uint32(account.UID), nil)
}

func ownGroups() []uint32 {
	gids, err := os.Getgroups()
	if err != nil {
		return []uint32{}
	}
	groups := []uint32{uint32(os.Getgid())}
	for _, g := range gids {
		groups = append(groups, uint32(g))
	}
	return groups
}

// takeLocks waits for the locks of a rule. A lock that an ancestor of ours holds would never be free, since it waits for us:
// flock(1) that runs privhelper, for one.
func takeLocks(loaded *host.Loaded, r *filters.Rule) (*root.Held, error) {
	if len(r.Section.Locks) == 0 {
		return &root.Held{}, nil
	}
	locks, err := root.OpenLocks(loaded, r, nil)
	if err != nil {
		return nil, err
	}
	return locks.Take(context.Background(), r.Section.Locks, isAncestor)
}

// enterFence holds a token against the fence of a rule, and adds that to what is held.
func enterFence(loaded *host.Loaded, r *filters.Rule, token int64, held *root.Held) error {
	fences, err := root.OpenFences(loaded, r, nil)
	if err != nil {
		return errors.Join(err, held.Release())
	}
	defer fences.Close()
	return held.Enter(context.Background(), fences, r, token)
}

func isAncestor(pid int) bool {
	for up := os.Getppid(); up > 1; {
		if up == pid {
			return true
		}
		text, err := os.ReadFile("/proc/" + strconv.Itoa(up) + "/stat")
		if err != nil {
			return false
		}
		// PID (NAME) STATE PPID; the name may hold anything.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) < 2 {
			return false
		}
		if up, err = strconv.Atoi(fields[1]); err != nil {
			return false
		}
	}
	return false
}
