package lockutils

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// judgeFolder refuses a folder in which others could put a file of their own in the place of a lock.
func judgeFolder(path string, shared bool) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fmt.Errorf("lock folder: %w", &os.PathError{Op: "stat", Path: path, Err: err})
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return &FolderError{Path: path, Reason: "is no folder"}
	case shared:
		return nil
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return &FolderError{Path: path, Reason: fmt.Sprintf("belongs to uid %d: chown it to root or to uid %d, or set SharedFolder", st.Uid, os.Geteuid())}
	case st.Mode&0o002 != 0:
		return &FolderError{Path: path, Reason: fmt.Sprintf("is writable by everybody: run chmod o-w %s, or set SharedFolder", path)}
	case st.Mode&0o020 != 0:
		return &FolderError{Path: path, Reason: fmt.Sprintf("is writable by group %d: run chmod g-w %s, or set SharedFolder", st.Gid, path)}
	}
	return nil
}

// networkTypes are file systems on which flock(2) is made of the same lock at the server as a record lock, so that one
// description would exclude itself. Ceph's and FUSE's are two.
var networkTypes = map[uint32]bool{
	unix.NFS_SUPER_MAGIC: true, unix.V9FS_MAGIC: true, unix.AFS_SUPER_MAGIC: true, unix.AFS_FS_MAGIC: true,
	unix.SMB_SUPER_MAGIC: true, unix.SMB2_SUPER_MAGIC: true, unix.CIFS_SUPER_MAGIC: true,
}

func onNetwork(path string) (bool, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(path, &st) }); err != nil {
		return false, fmt.Errorf("lock folder: %w", &os.PathError{Op: "statfs", Path: path, Err: err})
	}
	return networkTypes[uint32(st.Type)], nil
}
