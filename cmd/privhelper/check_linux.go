package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/privhelper/privhelper/filters"
)

// lintMachine answers what lints ask beside what a decision asks.
type lintMachine struct{ filters.Machine }

// maxFolders bounds how many folders are looked at below one.
const maxFolders = 10_000

// Writable looks at folders alone: who may write one may put a link in the place of what is in it. The group bits of a
// file with an ACL are its mask, so they show what an entry may at most.
func (lintMachine) Writable(dir string) (folder, who string) {
	seen := 0
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && d == nil:
			return filepath.SkipAll // there is no such folder
		case err != nil:
			return filepath.SkipDir // said of what can be seen
		case !d.IsDir():
			return nil
		}
		if seen++; seen > maxFolders {
			return filepath.SkipAll
		}
		st, err := os.Lstat(path)
		if err != nil {
			return nil
		}
		if who = writers(st); who != "" {
			folder = path
			return filepath.SkipAll
		}
		return nil
	})
	return folder, who
}

// writers says who besides root may write a folder, or nothing.
func writers(st os.FileInfo) string {
	sys, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return ""
	case sys.Uid != 0:
		name := strconv.Itoa(int(sys.Uid))
		if u, err := user.LookupId(name); err == nil {
			name = u.Username
		}
		return "its owner " + name
	case st.Mode()&0o002 != 0:
		return "everybody"
	case st.Mode()&0o020 != 0 && sys.Gid != 0:
		return fmt.Sprintf("group %d", sys.Gid)
	}
	return ""
}
