// Package spawn starts processes, waits for them, and ends whole trees of them. It runs on root's side, in a helper that
// executes filtered commands, and as an ordinary user beneath processutils; it knows nothing of policy or of privsep.
//
//	g, err := spawn.NewGroup(spawn.Options{})
//	f, err := spawn.NewForker(nil)
//	p, err := g.Start(ctx, f, spawn.Command{Path: "/bin/ls", Argv: []string{"ls"}, Stdout: w, Setsid: true})
//	st, err := p.Wait()
//	err = g.Close() // whatever is still alive goes, what called setsid and forked twice included
//
// # What a command inherits
//
// Only what its Command names: the three streams (else /dev/null), the environment (else none), the folder (else /).
// Signals have their default dispositions and none is blocked, whatever the program was started with. No other
// descriptor is open, provided that CloseOnExecFrom3 was called when the program started.
//
// # What belongs to one command
//
// With cgroup2 every command has a folder of its own, entered at fork, and the kernel keeps the account. Without it
// (no cgroup2, not root, read-only) the account is kept by two things that a process cannot shed by accident: its
// descent, and its timer slack.
//
// The timer slack (prctl(2), PR_SET_TIMERSLACK) says by how many nanoseconds the kernel may delay a thread's timers;
// the default is 50,000. The forking thread sets it to 50,000+N, N unique among living commands, right before the fork.
// Every descendant inherits it across fork, setsid and exec, nobody can see a difference of less than 50 µs in a timer,
// and root can read it in /proc/PID/timerslack_ns. So a daemon that forked twice, called setsid and was adopted by us
// still says whose it is. Roads not taken: a reaper process a command (1 ms each), a marker in the environment (the
// command's own to change, and it would show in the command), the session or process group (gone with setsid), a netlink
// process connector (root of the first namespaces only, and it loses events under a fork bomb, which is when it is needed).
// A program that sets its own slack, or runs under a real-time policy (which has none), escapes the attribution to its
// command only: it is still our descendant and goes when the group is closed.
package spawn
