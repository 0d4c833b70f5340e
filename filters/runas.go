package filters

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseIDs reads a numeric run_as, UID:GID in decimal digits. ok is false where s is not of that form and so can only be
// a name. Ids that the kernel reads as "do not change" are refused: -1 and 2^32-1 (sudo's CVE-2019-14287).
func ParseIDs(s string) (uid, gid uint32, ok bool, err error) {
	u, g, found := strings.Cut(s, ":")
	if !found {
		return 0, 0, false, nil
	}
	if uid, err = ParseID(u); err != nil {
		return 0, 0, true, err
	}
	if gid, err = ParseID(g); err != nil {
		return 0, 0, true, err
	}
	return uid, gid, true, nil
}

// ParseID reads one user or group id in decimal digits, 0 to 2^32-2.
func ParseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || strings.HasPrefix(s, "+") || n == 1<<32-1 {
		return 0, fmt.Errorf("%q is not an id: write a number from 0 to 4294967294", s)
	}
	return uint32(n), nil
}

// checkRunAs refuses what can be neither a local user's name nor UID:GID. Whether a name exists is asked of the machine
// when the policy is loaded.
func checkRunAs(s string) error {
	if _, _, ok, err := ParseIDs(s); ok || err != nil {
		return err
	}
	return checkID("run_as", s)
}

// checkID refuses names that useradd(8) would refuse, and bare numbers: a user's number alone says nothing of its
// groups.
func checkID(what, s string) error {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		later := '0' <= r && r <= '9' || r == '-' || r == '.' || r == '$'
		if !letter && (i == 0 || !later) {
			return fmt.Errorf("%s %q is neither a local name nor numeric UID:GID", what, s)
		}
	}
	if s == "" {
		return fmt.Errorf("%s is empty", what)
	}
	return nil
}

// checkAccount accepts a name or a number.
func checkAccount(what, s string) error {
	if _, err := ParseID(s); err == nil {
		return nil
	}
	return checkID(what, s)
}
