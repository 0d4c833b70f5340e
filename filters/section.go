package filters

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Section is what stands below a rule's own name: how its command runs. Python's rootwrap does not read it. The zero
// value is none, and adds nothing.
type Section struct {
	Line  int
	Items []Item // as written

	Capabilities    []string // exactly these; only if HasCapabilities
	HasCapabilities bool

	Group     string   // instead of the user's own: a local group or a number
	Groups    []string // instead of the user's supplementary groups; only if HasGroups
	HasGroups bool

	Locks   []string      // held while the command runs, sorted by name
	Fence   string        // whose token a request must carry; empty: it must carry none
	Timeout time.Duration // after which the whole command is ended; 0 is never
	Clients []string      // local users, @groups and their numbers that may use the rule; none: everybody who may ask
	SHA256  []byte        // of the executable; empty: not asked

	Env     []EnvItem
	Cwd     string // empty is /
	Umask   uint32 // only if HasUmask
	Nice    int    // added to the helper's own
	Limits  []Limit
	NoStdin bool // standard input is /dev/null

	HasUmask bool

	// Read and Write are the only places where the command may open, or change, files. Sandboxed says that there are some.
	Read, Write     []string
	NoNetwork       bool // a network of its own, with nothing in it
	NoNewPrivileges bool
	FullAudit       bool // the end of the command is logged as well
}

// Sandboxed says whether the command sees only parts of the file system.
func (s *Section) Sandboxed() bool { return len(s.Read)+len(s.Write) > 0 }

// An EnvItem is a variable of a command's environment: one of fixed value, or one that the client may set.
type EnvItem struct {
	Name  string
	Value string
	Fixed bool
}

// A Limit is one of setrlimit(2).
type Limit struct {
	Resource   string // "nofile"
	Soft, Hard uint64 // Unlimited is none
}

// Unlimited is RLIM_INFINITY.
const Unlimited = 1<<64 - 1

// An Item is one key of a Section.
type Item struct {
	Key, Value string
	Line       int
}

// sectionKeys are what may stand in a rule's own section. rlimit_ has a table of its own.
var sectionKeys = map[string]func(r *Rule, s *Section, value string) error{
	"capabilities": func(_ *Rule, s *Section, v string) (err error) {
		s.Capabilities, err = parseCapabilities(v)
		s.HasCapabilities = true
		return err
	},
	"user": func(r *Rule, _ *Section, v string) error {
		r.RunAs = v
		return checkRunAs(v)
	},
	"group": func(_ *Rule, s *Section, v string) error {
		s.Group = v
		return checkAccount("group", v)
	},
	"groups": func(_ *Rule, s *Section, v string) (err error) {
		s.HasGroups = true
		s.Groups, err = list(v, true, func(g string) error { return checkAccount("group", g) })
		return err
	},
	"lock": func(_ *Rule, s *Section, v string) (err error) {
		s.Locks, err = list(v, false, func(l string) error { return checkFileName("lock", l) })
		slices.Sort(s.Locks)
		return err
	},
	"fence": func(_ *Rule, s *Section, v string) error {
		s.Fence = v
		if v == "" {
			return fmt.Errorf("write the fence's name")
		}
		return checkFileName("fence", v)
	},
	"timeout": func(_ *Rule, s *Section, v string) (err error) {
		s.Timeout, err = time.ParseDuration(v)
		if err != nil || s.Timeout <= 0 {
			err = fmt.Errorf("%q is no time above zero: write 30s, or 1h30m", v)
		}
		return err
	},
	"clients": func(_ *Rule, s *Section, v string) (err error) {
		s.Clients, err = list(v, false, func(c string) error { return checkAccount("client", strings.TrimPrefix(c, "@")) })
		return err
	},
	"sha256": func(_ *Rule, s *Section, v string) (err error) {
		s.SHA256, err = parseSHA256(v)
		return err
	},
	"env": func(r *Rule, s *Section, v string) (err error) {
		if _, own := r.kind.(*env); own {
			return fmt.Errorf("an EnvFilter has its variables before its program: write them there")
		}
		s.Env, err = parseEnvItems(v)
		return err
	},
	"cwd": func(_ *Rule, s *Section, v string) error {
		s.Cwd = v
		return checkFolder(v)
	},
	"umask": func(_ *Rule, s *Section, v string) (err error) {
		s.Umask, err = parseUmask(v)
		s.HasUmask = true
		return err
	},
	"nice": func(_ *Rule, s *Section, v string) (err error) {
		s.Nice, err = parseNice(v)
		return err
	},
	"stdin": func(_ *Rule, s *Section, v string) error { return oneOf(v, &s.NoStdin, "yes", "no") },
	"read": func(_ *Rule, s *Section, v string) (err error) {
		s.Read, err = list(v, false, checkFolder)
		return err
	},
	"write": func(_ *Rule, s *Section, v string) (err error) {
		s.Write, err = list(v, false, checkFolder)
		return err
	},
	"network":      func(_ *Rule, s *Section, v string) error { return oneOf(v, &s.NoNetwork, "all", "none") },
	"no_new_privs": func(_ *Rule, s *Section, v string) error { return oneOf(v, &s.NoNewPrivileges, "no", "yes") },
	"audit":        func(_ *Rule, s *Section, v string) error { return oneOf(v, &s.FullAudit, "brief", "full") },
	"lifetime":     func(r *Rule, _ *Section, v string) error { return oneOf(v, &r.Detached, "client", "detached") },
}

// adopt takes the rule's own section over. An item that is not known refuses the policy in both semantics: a section
// narrows its rule, and what narrows must never be ignored, though Python would.
func (r *Rule) adopt(from *section) error {
	if r.Section.Line == 0 {
		r.Section = &Section{} // until now it was the one of all who have none
	}
	s := r.Section
	s.Line = from.line
	for _, it := range from.items {
		s.Items = append(s.Items, Item{it.name, it.value, it.line})
		if err := r.option(s, it.name, it.value); err != nil {
			return r.Fault(it.name, err)
		}
	}
	return nil
}

func (r *Rule) option(s *Section, key, value string) error {
	if resource, ok := strings.CutPrefix(key, "rlimit_"); ok {
		l, err := parseLimit(resource, value)
		s.Limits = append(s.Limits, l)
		return err
	}
	set, ok := sectionKeys[key]
	if !ok {
		return fmt.Errorf("the key is not known")
	}
	return set(r, s, value)
}
