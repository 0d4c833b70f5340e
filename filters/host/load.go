//go:build linux

// Package host is the real machine of filters: it loads configuration and policy from files that root alone can have
// written, and answers what a decision must ask of Linux.
//
// It is linked by the root helper and by its tools.
//
//	loaded, err := host.Load("/etc/privhelper/privhelper.conf", host.Options{})
//	v := loaded.Policy.Decide(loaded.Machine, filters.Request{Argv: argv})
//	defer v.Close()
//
// After Load nothing is read again but what a decision is about: a helper that has confined itself could not.
package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/internal/trust"
)

const (
	maxFile  = 1 << 20 // bytes of one file
	maxFiles = 10_000  // of one configuration
)

// privhelper's own configuration: a file of this name anywhere, and every file in this folder. What is not known there is
// an error, and a warning in a file that rootwrap may read too.
const (
	ownName   = "privhelper.conf"
	ownFolder = "/etc/privhelper"
)

func isOwn(path string) bool {
	return filepath.Base(path) == ownName || filepath.Dir(path) == ownFolder
}

// Options say how files are trusted. The zero value is for a helper that runs as root.
type Options struct {
	// UntrustedFiles leaves out who owns and may write files, for a policy's author who is not root. Only check and
	// explain may set it.
	UntrustedFiles bool
	// Owners are uids that may own files beside root: an unprivileged launcher sets its own.
	Owners []uint32
	// Handed are files that the launcher checked before it entered a user namespace; see trust.Rules.
	Handed []*os.File
	// Semantics, if not nil, takes the place of the configuration's. Only explain may set it: it asks what would be.
	Semantics *filters.Semantics
	// Detached makes lifetime = detached the default of rules in both semantics (filters.Config.Detached).
	Detached bool
}

// Loaded is all that a helper needs to decide. Load and New make it; its zero value knows no policy and no user but root.
// It never changes, and may be used by many goroutines at once.
type Loaded struct {
	Config   filters.Config
	Policy   *filters.Policy
	Machine  filters.Machine
	Warnings []filters.Warning
	Files    []string // what was read: the configuration, then the policy files in their order

	accounts accounts
	users    map[string]lookup
	clients  map[string]uint32 // what `clients` of rules name, users and @groups
}

// Load reads a configuration and the policy files it names. Each file, each folder above it and each link on the way
// must belong to root and be writable by root alone, in both semantics; trusted_groups counts for policy and
// executables, never for the file it stands in. Files are at most 1 MiB and 10,000 in number.
//
// A file named privhelper.conf and every file in /etc/privhelper are privhelper's own: an option that is not known is an
// error there, and one of Loaded.Warnings elsewhere.
//
// Errors are *filters.Error for what files say, *trust.Error for who could have said it and for links that lead nowhere,
// and the kernel's. With an error there is no Loaded.
func Load(configPath string, opt Options) (*Loaded, error) {
	path, err := filepath.Abs(configPath)
	if err != nil {
		return nil, err
	}
	rules := trust.Rules{Owners: opt.Owners, Handed: opt.Handed, Untrusted: opt.UntrustedFiles}
	text, err := readFile(path, func() (*os.File, error) { return trust.Open(path, rules) })
	if errors.Is(err, fs.ErrNotExist) && !errors.As(err, new(*trust.Error)) {
		return nil, &filters.Error{File: configPath, Msg: "does not exist"}
	}
	if err != nil {
		return nil, err
	}
	l := &Loaded{Files: []string{path}}
	if l.Config, l.Warnings, err = filters.ParseConfig(configPath, text, isOwn(path)); err != nil {
		return nil, err
	}
	l.Config.Detached = opt.Detached
	if opt.Semantics != nil {
		l.Config.Semantics = *opt.Semantics
	}
	if l.accounts, err = readAccounts(); err != nil {
		return nil, err
	}
	if rules.Groups, err = l.trustedGroups(); err != nil {
		return nil, err
	}
	var sources []filters.Source
	for _, dir := range l.Config.FiltersPath {
		if sources, err = l.folder(sources, dir, rules); err != nil {
			return nil, err
		}
	}
	policy, warnings, err := filters.ParsePolicy(l.Config, sources)
	if err != nil {
		return nil, err
	}
	l.Policy, l.Warnings = policy, append(l.Warnings, warnings...)
	l.Machine = &machine{rules: rules}
	if err := l.lookupUsers(); err != nil {
		return nil, err
	}
	if err := l.checkSections(rules); err != nil {
		return nil, err
	}
	return l, nil
}

// New makes a Loaded of a policy that stands in no file, such as one that a program embeds: the users of its rules and
// trusted_groups are looked up now, as Load does. opt.Semantics does not count; the policy has its own. Errors are those
// of Load.
func New(cfg filters.Config, policy *filters.Policy, opt Options) (*Loaded, error) {
	rules := trust.Rules{Owners: opt.Owners, Handed: opt.Handed, Untrusted: opt.UntrustedFiles}
	l := &Loaded{Config: cfg, Policy: policy}
	var err error
	if l.accounts, err = readAccounts(); err != nil {
		return nil, err
	}
	if rules.Groups, err = l.trustedGroups(); err != nil {
		return nil, err
	}
	l.Machine = &machine{rules: rules}
	if err := l.lookupUsers(); err != nil {
		return nil, err
	}
	if err := l.checkSections(rules); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Loaded) trustedGroups() ([]uint32, error) {
	var gids []uint32
	for _, name := range l.Config.TrustedGroups {
		gid, err := l.accounts.group(name)
		if err != nil {
			return nil, &filters.Error{File: l.Config.File, Line: l.Config.Lines["trusted_groups"], Msg: "trusted_groups: " + err.Error(), Value: true}
		}
		gids = append(gids, gid)
	}
	return gids, nil
}

// folder reads the policy files of one folder: in Strict those named *.filters, in Oslo all. A folder that does not exist
// is left out, as rootwrap does; published configurations name several.
func (l *Loaded) folder(sources []filters.Source, path string, rules trust.Rules) ([]filters.Source, error) {
	warn := func(format string, args ...any) {
		l.Warnings = append(l.Warnings, filters.Warning{File: l.Config.File, Line: l.Config.Lines["filters_path"], Msg: fmt.Sprintf(format, args...)})
	}
	strict := l.Config.Semantics == filters.Strict
	if !filepath.IsAbs(path) {
		warn("filters_path: %q is not an absolute path and is left out", path)
		return sources, nil
	}
	dir, err := trust.OpenDir(path, rules)
	if errors.Is(err, fs.ErrNotExist) {
		if errors.As(err, new(*trust.Error)) {
			warn("filters_path: %v", err)
		} else {
			warn("filters_path: folder %s does not exist", path)
		}
		return sources, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxFiles + 1)
	if err != nil && err != io.EOF {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasPrefix(name, ".") || strict && !strings.HasSuffix(name, ".filters") {
			continue
		}
		if len(l.Files) > maxFiles {
			return nil, &filters.Error{File: path, Msg: fmt.Sprintf("holds more than %d policy files", maxFiles)}
		}
		file := filepath.Join(path, name)
		if !strict && !regular(filepath.Join(dir.Path, name)) {
			continue // os.path.isfile, which rootwrap asks
		}
		text, err := readFile(file, func() (*os.File, error) { return dir.Open(name) })
		if err != nil {
			return nil, err
		}
		l.Files = append(l.Files, file)
		sources = append(sources, filters.Source{File: file, Text: text})
	}
	return sources, nil
}

func regular(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

func readFile(path string, open func() (*os.File, error)) ([]byte, error) {
	f, err := open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, &filters.Error{File: path, Msg: fmt.Sprintf("is larger than %d bytes", maxFile)}
	}
	return text, nil
}
