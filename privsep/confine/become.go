package confine

import (
	"errors"
	"fmt"
)

// Become makes a service that was started as root its own user, in all threads, for good: every uid and gid, the
// supplementary groups, no capability in any set, the bounding set empty, securebits locked, no_new_privs; all of it is
// verified as Verify does. It is the second half of oslo.privsep's FORK method: the helper is started first.
//
// no_new_privs is part of it because an empty bounding set is not enough: a setuid program would still run as uid 0 and
// own root's files. What needs such a program goes through the helper. Umask, working directory and limits stay, they
// are the service's own. The kernel makes the process not dumpable (fs.suid_dumpable) when its uid changes, and it
// stays so: its memory may hold what only root could read. Hence it cannot write its children's uid_map or its own
// oom_score_adj any more; do that before.
//
// User.UID 0 is refused: who stays root gave up nothing. After any error the process may be half changed and must end.
// Become is called once, early, by one goroutine, as Apply is.
func Become(user User) error {
	if user.UID == 0 {
		return errors.New("become: uid 0 is root, and root stays root without capabilities too: name another user")
	}
	spec := Spec{User: &user, NoNewPrivs: true}
	if err := giveUp(spec); err != nil {
		return fmt.Errorf("become uid %d: %w", user.UID, err)
	}
	if err := verifyCredentials(spec); err != nil {
		return fmt.Errorf("become uid %d: %w", user.UID, err)
	}
	return nil
}
