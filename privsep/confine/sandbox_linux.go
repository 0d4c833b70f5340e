package confine

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// minLandlock is the first ABI that refuses truncate(2), without which a place that is not in write could be emptied.
const minLandlock = 3

const (
	readFile  = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE
	writeFile = readFile | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE

	readFolder  = readFile | unix.LANDLOCK_ACCESS_FS_READ_DIR
	writeFolder = readFolder | writeFile | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER

	// handled is all that ABI 3 can refuse.
	handled = writeFolder | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK
)

func landlock() (abi int, err error) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, fmt.Errorf("this kernel has no landlock, or was started without it (lsm=): %w", errno)
	}
	return int(n), nil
}

func sandboxSupport() error {
	abi, err := landlock()
	if err == nil && abi < minLandlock {
		err = fmt.Errorf("this kernel's landlock (ABI %d) cannot refuse truncation: Linux 6.2 can", abi)
	}
	return err
}

func newSandbox(read, write []*os.File) (*Sandbox, error) {
	if err := sandboxSupport(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	abi, err := landlock()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled}
	size := unsafe.Offsetof(attr.Handled_access_net)
	if abi >= 5 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if abi >= 6 {
		size = unsafe.Offsetof(attr.Quiet_access_fs)
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
		if signalsWithin() {
			attr.Scoped |= unix.LANDLOCK_SCOPE_SIGNAL
		}
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return nil, fmt.Errorf("sandbox: landlock_create_ruleset: %w", errno)
	}
	s := &Sandbox{rules: os.NewFile(fd, "landlock ruleset")} // close-on-exec, by the kernel
	for _, f := range read {
		err = s.allow(f, readFolder, readFile)
		if err != nil {
			break
		}
	}
	for _, f := range write {
		if err != nil {
			break
		}
		err = s.allow(f, writeFolder, writeFile)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return s, nil
}

// signalsWithin reports whether a thread in a sandbox may signal the other threads of its process, as Go's scheduler does
// all the time. The first kernels with that scope forgot it (erratum 2, mended in Linux 6.15 and in stable releases).
func signalsWithin() bool {
	errata, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_ERRATA)
	return errno == 0 && errata&(1<<1) != 0
}

// allow adds a place. A right that is one of folders alone is refused for a file.
func (s *Sandbox) allow(f *os.File, folder, file uint64) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	rights := file
	if st.IsDir() {
		rights = folder
	}
	// struct landlock_path_beneath_attr is packed: 12 bytes, where Go's has 16.
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(f.Fd())}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, s.rules.Fd(), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return &os.PathError{Op: "landlock_add_rule", Path: f.Name(), Err: errno}
	}
	return nil
}

// enter confines the calling thread. The thread-only call: libpsx would do it to all.
func (s *Sandbox) enter() error {
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, s.rules.Fd(), 0, 0); errno != 0 {
		return fmt.Errorf("landlock_restrict_self: %w", errno)
	}
	return nil
}
