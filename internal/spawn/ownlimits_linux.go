package spawn

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// firstProcess is whose limits are the machine's own, which no caller has lowered.
const firstProcess = 1

// OwnLimits gives this process the resource limits of the machine's first process in the place of its caller's: with
// RLIMIT_FSIZE 0 an audit log gets no line and what root writes is cut, and RLIMIT_CPU ends it in the middle. The number of
// open files stays: policy has an option for it. Whoever may not ask for those limits (root of a user namespace) keeps its
// own. Without CAP_SYS_RESOURCE a hard limit that is lower stays, and where it is that of a file's size, which would keep
// decisions out of the log, the error says so.
func OwnLimits() error {
	var errs []error
	for resource := range unix.RLIMIT_RTTIME + 1 {
		var own, first unix.Rlimit
		if resource == unix.RLIMIT_NOFILE || unix.Prlimit(firstProcess, resource, nil, &first) != nil {
			continue
		}
		if err := unix.Prlimit(0, resource, nil, &own); err != nil {
			errs = append(errs, os.NewSyscallError("prlimit", err))
			continue
		}
		if own == first || unix.Prlimit(0, resource, &first, nil) == nil {
			continue
		}
		if resource == unix.RLIMIT_FSIZE && own.Max < first.Cur {
			errs = append(errs, errors.New("the caller has limited the size of files, which takes CAP_SYS_RESOURCE to undo: start it with `ulimit -f unlimited`"))
			continue
		}
		lower := unix.Rlimit{Cur: min(first.Cur, own.Max), Max: min(first.Max, own.Max)}
		if err := unix.Prlimit(0, resource, &lower, nil); err != nil {
			errs = append(errs, os.NewSyscallError("prlimit", err))
		}
	}
	return errors.Join(errs...)
}
