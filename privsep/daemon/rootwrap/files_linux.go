package rootwrap

import (
	"fmt"
	"syscall"

	"github.com/privhelper/privhelper/filters"
)

// LimitFiles lowers this process's soft limit of open files to rlimit_nofile, if the configuration has that option, and
// leaves the hard one, as oslo.rootwrap does for itself and its commands (oslo_rootwrap.cmd.main). It never raises it.
//
// Without the option a helper keeps what the Go runtime gave it, and commands what the helper was started with. With it,
// the helper needs some twelve descriptors and five for each command that runs or waits.
func LimitFiles(cfg filters.Config) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		return fmt.Errorf("rlimit_nofile: %w", err)
	}
	if !cfg.HasRlimitNofile || cfg.RlimitNofile < 0 || now.Cur <= uint64(cfg.RlimitNofile) {
		return nil
	}
	now.Cur = uint64(cfg.RlimitNofile)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		return fmt.Errorf("rlimit_nofile: %w", err)
	}
	return nil
}
