package confine

import "github.com/privhelper/privhelper/privsep"

// ThreadSpec says what one thread, and every child that is forked from it, has less than its process. The zero value
// takes the inheritable and the ambient set alone, which no confined thread keeps.
type ThreadSpec struct {
	// DropBounding lowers the thread's bounding set to Bounding, which must lie within the set that it has. A command of
	// uid 0 that is started from the thread then has exactly Bounding as its permitted and effective set: the kernel
	// gives uid 0 at exec what the bounding set allows, where no securebits forbid it (Spec.Commands). A command of
	// another uid has none of it, unless syscall.SysProcAttr.AmbientCaps names some.
	//
	// False leaves the process's own bounding set, Spec.Bounding, and Bounding must then be empty.
	DropBounding bool
	Bounding     privsep.Capabilities

	// Inherit makes inheritable what the thread may do and had in its bounding set, instead of nothing. What is executed from
	// the thread as uid 0 then has all of that and the lower bounding set: for the parent of helpers, which need not lower it
	// themselves in all threads and are to call Apply, which takes the rest. No command may be started from such a thread.
	Inherit bool

	// NoNewPrivs sets no_new_privs for the thread.
	NoNewPrivs bool

	// HasUmask gives the thread a umask of its own, Umask, at most 0777. False leaves the process's, which is 077 after
	// Apply, and Umask must then be 0.
	HasUmask bool
	Umask    uint32

	// Nice is added to the thread's nice value; below 0 needs CAP_SYS_NICE. It is what the children start with: to change it
	// in a child would come too late for what that has forked.
	Nice int

	// Sandbox, if not nil, are the only places of the file system for the thread. It needs NoNewPrivs.
	Sandbox *Sandbox
}

// ConfineThread makes the calling thread what spec says, empties its inheritable and its ambient set (but see Inherit), and
// reads all of it back. Those two go around the bounding set at exec, and belong to whoever started the process; after Apply they are
// empty already. A child of another uid still gets what syscall.SysProcAttr.AmbientCaps names. The calling goroutine must be locked to the
// thread (runtime.LockOSThread) and must never unlock it, also after an error, which may leave the thread half
// confined: it ends, and the runtime ends the thread with it. Other threads do not change, and Go starts no new thread
// from a locked one.
//
// Lowering the bounding set needs CAP_SETPCAP in Spec.Keep. The thread keeps the capabilities of its process, with which
// it gives its children another uid.
//
// From the first such thread on, no privilege may be changed in all threads any more: no Apply, no Become, nothing of
// libcap's cap or psx, no syscall.Setuid. Such a change ends the process when one thread answers differently
// (syscall.AllThreadsSyscall throws, psx sends SIGKILL).
func ConfineThread(spec ThreadSpec) error { return confineThread(spec) }
