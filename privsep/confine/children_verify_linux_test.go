package confine

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
)

// childDiffer applies a Spec, changes one thing of one thread or of the process behind its back, and prints what Verify
// says to that, or Apply for "Apply".
func childDiffer(args []string) error {
	keep := privsep.Caps(privsep.CAP_NET_ADMIN, privsep.CAP_SETUID, privsep.CAP_SETGID, privsep.CAP_SETPCAP)
	spec := Spec{Keep: keep, Bounding: keep, Commands: true}
	var change func() error // by one thread
	asked, ask := spec, Verify
	switch args[0] {
	case "nothing":
	case "CapPrm":
		change = func() error { return setThreadCapabilities(keep.Without(privsep.CAP_NET_ADMIN)) }
	case "CapEff":
		change = func() error { return setThreadSets(keep, keep.Without(privsep.CAP_NET_ADMIN), 0) }
	case "CapBnd":
		change = func() error { return unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(privsep.CAP_NET_ADMIN), 0, 0, 0) }
	case "CapInh":
		change = func() error { return setThreadSets(keep, keep, netAdmin) }
	case "Apply":
		change = func() error { return ConfineThread(ThreadSpec{DropBounding: true}) }
		ask = Apply
	case "NoNewPrivs":
		asked.NoNewPrivs = true
	case "Uid":
		change = func() error { return rawCall(unix.SYS_SETRESUID, 65534, 65534, 0) }
	case "Gid":
		change = func() error { return rawCall(unix.SYS_SETRESGID, 0, 65534, 0) }
	case "Groups":
		change = func() error {
			gids := []uint32{7}
			return rawCall(unix.SYS_SETGROUPS, 1, uintptr(unsafe.Pointer(&gids[0])), 0)
		}
	case "more is kept than asked for":
		asked.Keep, asked.Bounding = 0, 0
	case "securebits":
		asked.Commands = false
	}
	if err := Apply(spec); err != nil {
		return err
	}
	if change == nil {
		fmt.Println(message(ask(asked)))
		return nil
	}
	// The changed thread lives while another one asks.
	return onThrowawayThread(func() error {
		if err := change(); err != nil {
			return err
		}
		answer := make(chan error)
		go func() { answer <- ask(asked) }()
		fmt.Printf("%d %s\n", unix.Gettid(), message(<-answer))
		return nil
	})
}

// childRegain leaves a way back open that no line of a status shows as wrong, or settles the process otherwise, and
// prints what Verify says to that.
func childRegain(args []string) error {
	if args[0] == "saved uid" {
		// The uid stays as it is, root among the four, and the capabilities go.
		if err := syscall.Setresuid(testenv.Nobody, testenv.Nobody, 0); err != nil {
			return err
		}
	}
	if err := Apply(Spec{}); err != nil {
		return err
	}
	switch args[0] {
	case "dumpable":
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
			return err
		}
	case "umask":
		unix.Umask(0o022)
	case "directory":
		if err := os.Chdir("/proc"); err != nil {
			return err
		}
	}
	fmt.Println(message(Verify(Spec{})))
	return nil
}
