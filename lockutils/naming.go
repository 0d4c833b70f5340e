package lockutils

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Naming says which file of the folder a lock's name stands for.
type Naming int

const (
	// Exact, the zero value, gives two names never the same file: bytes other than letters, digits, `_`, `-` and `.` are
	// written as %XX, a prefix is set off by `~`, and a name too long for a file ends in `~~` and its SHA-256.
	Exact Naming = iota
	// Oslo names files as oslo.concurrency does: `/` becomes `_`, and a prefix is joined with one `-`. `a/b` and `a_b`
	// are one lock then, as is name `b-c` with prefix `a` and name `c` with prefix `a-b`.
	Oslo
)

// nameMax is NAME_MAX of limits.h: the bytes of one component of a path.
const nameMax = 255

// sideFolder holds what a Set keeps beside its lock files. No lock file's name begins so.
const sideFolder = ".lockutils"

// file returns the name of the lock's file in the folder.
func (n Naming) file(prefix, name string) (string, error) {
	if name == "" {
		return "", &NameError{Name: name, Reason: "is empty"}
	}
	if n == Oslo {
		return osloFile(prefix, name)
	}
	file := escape(name)
	if prefix != "" {
		file = escape(prefix) + "~" + file
	}
	if len(file) <= nameMax {
		return file, nil
	}
	sum := sha256.Sum256([]byte(file))
	digest := hex.EncodeToString(sum[:])
	return file[:nameMax-len(digest)-2] + "~~" + digest, nil
}

// osloFile is _get_lock_path of oslo_concurrency.lockutils.
func osloFile(prefix, name string) (string, error) {
	file := strings.ReplaceAll(name, "/", "_")
	if prefix != "" {
		if strings.Contains(prefix, "/") {
			return "", &NameError{Name: name, Reason: fmt.Sprintf("has the prefix %q, and a prefix with a / would leave the folder", prefix)}
		}
		file = strings.TrimSuffix(prefix, "-") + "-" + file
	}
	switch {
	case file == "." || file == ".." || strings.HasPrefix(file, sideFolder):
		return "", &NameError{Name: name, Reason: fmt.Sprintf("would be the file %q, which is no lock's", file)}
	case strings.ContainsRune(file, 0):
		return "", &NameError{Name: name, Reason: "holds a zero byte"}
	case len(file) > nameMax:
		return "", &NameError{Name: name, Reason: fmt.Sprintf("makes a file name of %d bytes, and %d are the limit: use Exact names", len(file), nameMax)}
	}
	return file, nil
}

// escape writes s with letters, digits and three marks only. A leading point is escaped too: files that begin with one
// are hidden, and two of them are folders.
func escape(s string) string {
	plain := true
	for i := range len(s) {
		if !harmless(s, i) {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if harmless(s, i) {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}

func harmless(s string, i int) bool {
	switch c := s[i]; {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		return true
	default:
		return c == '.' && i > 0
	}
}

// ours reports whether a file of the folder may be a lock's of the prefix.
func (n Naming) ours(prefix, file string) bool {
	switch {
	case strings.HasPrefix(file, sideFolder):
		return false
	case n == Oslo:
		return prefix == "" || strings.HasPrefix(file, strings.TrimSuffix(prefix, "-")+"-")
	case prefix == "":
		unhashed, _, _ := strings.Cut(file, "~~")
		return !strings.Contains(unhashed, "~")
	default:
		return strings.HasPrefix(file, escape(prefix)+"~")
	}
}
