package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
)

// nobody owns nothing, so that its uid gives nothing.
const nobody = 65534

// giveUpRoot makes of a check that root started a process that can read what the daemon would and do nothing else, before
// it reads the first byte: uid nobody with CAP_DAC_READ_SEARCH alone. A mistake in a parser is then worth nothing.
//
// Where that cannot be had (a container without the capability, a user namespace without nobody) it stays uid 0, because
// policy may be root's alone to read, and keeps no capability; uid 0 owns files still. An ordinary user has nothing to
// give up.
func giveUpRoot() error {
	if os.Geteuid() != 0 {
		return nil
	}
	status, err := confine.ReadStatus(0, 0)
	if err != nil {
		return err
	}
	// Paths on the command line are relative to this folder, and a confined process stands in /.
	here, err := unix.Open(".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: ".", Err: err}
	}
	defer unix.Close(here)
	spec := confine.Spec{NoNewPrivs: true}
	need := privsep.Caps(privsep.CAP_SETPCAP, privsep.CAP_SETUID, privsep.CAP_SETGID, privsep.CAP_DAC_READ_SEARCH)
	if need&^status.Permitted == 0 && !status.SetgroupsDenied && mapped("uid_map", nobody) && mapped("gid_map", nobody) {
		spec.Keep = privsep.Caps(privsep.CAP_DAC_READ_SEARCH)
		spec.User = &confine.User{UID: nobody, GID: nobody}
	}
	if err := errors.Join(confine.Apply(spec), confine.Verify(spec)); err != nil {
		return fmt.Errorf("give up root: %w", err)
	}
	return os.NewSyscallError("fchdir", unix.Fchdir(here))
}

// mapped reports whether this user namespace knows an id (user_namespaces(7)).
func mapped(file string, id uint64) bool {
	text, err := os.ReadFile("/proc/self/" + file)
	if err != nil {
		return errors.Is(err, os.ErrNotExist) // a kernel without user namespaces
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line) // the first id inside, the first outside, how many
		if len(words) != 3 {
			continue
		}
		first, ferr := strconv.ParseUint(words[0], 10, 32)
		size, serr := strconv.ParseUint(words[2], 10, 32)
		if ferr == nil && serr == nil && id >= first && id-first < size {
			return true
		}
	}
	return false
}
