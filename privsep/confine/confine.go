// Package confine gives up every privilege that a Spec does not name, in all threads, for good.
//
// It is linked by both sides (=). A root helper confines itself before it reads the first byte of its client:
//
//	spec := confine.Spec{Keep: privsep.Caps(privsep.CAP_NET_ADMIN), NoNewPrivs: true}
//	if err := confine.Apply(spec); err != nil {
//		return err
//	}
//	return confine.Verify(spec)
//
// A service that was started as root starts its helper first and then becomes its own user with Become. A helper that
// runs commands confines one locked thread for each kind of rule with ConfineThread: what is forked from it inherits
// its bounding set, its no_new_privs and its umask.
//
// A capability set says nothing about the files that uid 0 owns. A process that stays uid 0 with no capability at all
// still writes /etc/shadow; a set confines together with a uid of its own.
package confine

import "github.com/privhelper/privhelper/privsep"

// Spec says what a process keeps; everything that it does not name is given up. The zero Spec keeps no capability and
// changes no ids.
type Spec struct {
	// Keep is the permitted and the effective set of every thread.
	Keep privsep.Capabilities

	// Bounding is the most that any command of this process may get, and so its bounding set. It belongs to Commands:
	// without that the bounding set is Keep, and Bounding must be empty or the same.
	//
	// It must lie within Keep. A command that gains at exec what its parent lacked loses its parent-death signal
	// (commit_creds in the kernel: the new set is no subset of the old), and would outlive a helper that was killed.
	Bounding privsep.Capabilities

	// User is whom the process becomes. Nil leaves every id as it is, supplementary groups too; &User{} is root without
	// supplementary groups.
	User *User

	// Commands says that the process starts programs, and leaves the securebits off: NOROOT would leave a command of uid 0
	// without any capability, NO_CAP_AMBIENT_RAISE would leave none to a command of another uid, and NO_SETUID_FIXUP is
	// inherited, so that a command which calls setuid itself would keep what it should lose. False sets and locks
	// all three (0xef): there uid 0 means nothing to the kernel, at exec and at setuid.
	Commands bool

	// NoNewPrivs sets no_new_privs: no program started from here gains anything from a setuid bit or file capabilities.
	NoNewPrivs bool
}

// Apply makes every thread of the process what spec says: bounding, ambient, inheritable, permitted and effective set,
// groups, gid, uid, securebits, no_new_privs. Then it makes the process not dumpable, and sets umask 077, the root
// folder as working directory and a core limit of 0, soft and hard.
//
// What spec wants and the process does not have is an error that names it, before anything was changed. After any later
// error the process is half confined and must end. Apply does not look at what it did: call Verify.
//
// A process without CAP_SETPCAP (one that an ordinary user started) cannot lower its bounding set or lock securebits.
// With an empty Keep, Apply then sets no_new_privs even if spec does not ask for it, which closes the same road:
// nothing can be gained at exec. With capabilities to keep it is an error. In a user namespace that denies setgroups
// (user_namespaces(7)) supplementary groups cannot be dropped and stay; Status tells.
//
// Apply is called once, early, by one goroutine. Threads that already differ from one another are an error, and none may
// have been confined by ConfineThread: a change in all threads ends the process when one of them answers differently.
func Apply(spec Spec) error { return apply(spec) }

// Verify reads back what Apply was to do, from /proc/self/task/*/status of every thread, and tries to regain what was
// given up: each dropped capability, another uid, another gid, other groups, the securebits. The first difference is an
// error that names the thread and the line; the process must then end. The attempts are made by one thread
// that is thrown away after them, so that one which succeeds leaves no privileged thread behind.
//
// Securebits stand in no file and are read in that one thread: Apply sets them in all or ends the process.
//
// Verify needs /proc. Threads that ConfineThread changed differ by intention: verify before.
func Verify(spec Spec) error { return verify(spec) }

// bounding returns the bounding set that spec asks for.
func (s Spec) bounding() privsep.Capabilities {
	if s.Commands {
		return s.Bounding
	}
	return s.Keep
}
