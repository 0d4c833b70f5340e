package filters

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DefaultPath is where executables are looked for when a configuration says nothing, the PATH of every command, and
// where a KillFilter looks for a bare name. rootwrap takes the caller's PATH instead.
const DefaultPath = "/usr/sbin:/usr/bin:/sbin:/bin"

// Config is what rootwrap.conf or privhelper.conf says. The zero value has neither policy nor executables: it allows
// nothing.
type Config struct {
	File string // for messages

	FiltersPath []string  // folders of policy files
	ExecDirs    []string  // where executables without a path are looked for, in this order
	Semantics   Semantics // ours

	// LearnFile is a policy file of FiltersPath, by its whole path, whose rules are asked only where the rest of the policy
	// refuses; empty: none. What one of them allows is written down as learned, and refused unless LearnAllow.
	LearnFile  string // ours
	LearnAllow bool   // ours

	// Capabilities is the bounding set of every command, by the kernel's names; it counts only if HasCapabilities,
	// since an empty list means none at all and an absent one leaves commands what the helper was started with.
	Capabilities    []string
	HasCapabilities bool

	User, Group   string   // whom the helper itself becomes; empty: it stays who it is
	TrustedGroups []string // groups that may write policy and executables

	// LockPath is the folder of the locks that rules name; empty: none may. LockPathShared says that others than root may
	// write it.
	LockPath       string
	LockPathShared bool

	FencePath string // ours: the folder of the fences that rules name; empty: none may

	AuditFile string // ours: takes a line for every decision; empty: none named

	UseSyslog      bool
	SyslogFacility string // in lower case: "syslog", "authpriv", "local3"
	SyslogLevel    string // in upper case: "ERROR", "INFO"

	DaemonTimeout   time.Duration // idle time after which rootwrap's daemon ends; negative as written
	DaemonMax       DaemonMax     // ours
	RlimitNofile    int           // open files
	HasRlimitNofile bool          // false: RlimitNofile is the default

	// Detached makes lifetime = detached the default of rules in Strict too. It is no option: whoever serves oslo.rootwrap's
	// clients sets it before the policy is parsed, since their services restart without the daemons that they started.
	Detached bool

	Service Service // ours

	Lines map[string]int // where each option stands, for messages
	sum   [sha256.Size]byte
}

// DaemonMax bounds what a client can make of rootwrap's daemon. Zero is the default of each.
type DaemonMax struct {
	// Request is the largest request, in bytes: a command line and its standard input, as JSON. 0: 64 MiB.
	Request int64
	// Output is the most that one command may write to its two streams together, in bytes. One that writes more is ended.
	// 0: 256 MiB.
	Output int64
	// Memory is the most that all requests, each counted twice, and outputs may hold at one time, in bytes. What goes
	// beyond it is ended. 0: 512 MiB.
	Memory int64
	// HalfOpen is how many connections may be there that have not proved that they know the key. When one more comes the
	// oldest goes. 0: 128, or an eighth of the open files that the daemon may have, if that is less.
	HalfOpen int64
	// Connections is how many may be there that have; one more is closed. 0: 1024, or a quarter of the open files.
	Connections int64
	// Commands is how many run at one time; others wait. 0: 64, or a sixteenth of the open files.
	Commands int64
}

// facilities are the names that Python's SysLogHandler knows.
var facilities = []string{
	"auth", "authpriv", "console", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "ntp", "security",
	"solaris-cron", "syslog", "user", "uucp", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
	"local7",
}

// priorities by their numbers, and the facilities of these.
var (
	priorities         = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
	priorityFacilities = []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news"}
)

// levels are the names that Python's logging knows.
var levels = []string{"CRITICAL", "FATAL", "ERROR", "WARN", "WARNING", "INFO", "DEBUG", "NOTSET"}

// maxSeconds keeps a time.Duration from overflowing.
const maxSeconds = int64(1<<63-1) / int64(time.Second)

// ParseConfig reads the text of a configuration; file is its name for messages. own says that the file is privhelper's
// own: what it does not know is an error there, and a warning in a file that another program may read too. Errors are
// of type *Error.
func ParseConfig(file string, text []byte, own bool) (Config, []Warning, error) {
	doc, err := parseINI(file, text, true)
	if err != nil {
		return Config{}, nil, err
	}
	c := Config{
		File: file, SyslogFacility: "syslog", SyslogLevel: "ERROR", DaemonTimeout: 600 * time.Second, RlimitNofile: 1024,
		ExecDirs: strings.Split(DefaultPath, ":"), Lines: make(map[string]int), sum: sha256.Sum256(text),
	}
	var warnings []Warning
	unknown := func(line int, msg string) error {
		if own {
			return &Error{File: file, Line: line, Msg: msg, Value: true}
		}
		warnings = append(warnings, Warning{file, line, msg + " and has no effect"})
		return nil
	}
	for _, s := range doc.sections {
		if err := unknown(s.line, fmt.Sprintf("section [%s] is not known", s.name)); err != nil {
			return Config{}, nil, err
		}
	}
	if _, ok := doc.defaults.get("filters_path"); !ok {
		return Config{}, nil, &Error{File: file, Msg: "has no filters_path: write the folders of the policy files into [DEFAULT]"}
	}
	for _, it := range doc.defaults.items {
		c.Lines[it.name] = it.line
		known, err := c.set(it)
		if err != nil {
			return Config{}, nil, &Error{File: file, Line: it.line, Msg: err.Error(), Value: true}
		}
		if known {
			continue
		}
		if err := unknown(it.line, fmt.Sprintf("option %q is not known", it.name)); err != nil {
			return Config{}, nil, err
		}
	}
	if _, ok := doc.defaults.get("learn"); ok && c.LearnFile == "" {
		return Config{}, nil, &Error{File: file, Line: c.Lines["learn"], Value: true, Msg: "learn: there is no learn_file: write which policy file it is about"}
	}
	if err := c.validate(); err != nil {
		return Config{}, nil, err
	}
	return c, warnings, nil
}

// set takes one option over. The words of its errors are Python's where Python has some.
func (c *Config) set(it item) (known bool, err error) {
	switch it.name {
	case "filters_path":
		c.FiltersPath = strings.Split(it.value, ",")
	case "exec_dirs":
		c.ExecDirs = strings.Split(it.value, ",")
	case "learn_file":
		c.LearnFile, err = it.value, checkFolder(it.value)
	case "learn":
		err = oneOf(it.value, &c.LearnAllow, "refuse", "allow")
	case "audit_file":
		if c.AuditFile = it.value; !isAbs(it.value) {
			err = fmt.Errorf("audit_file: %q is not an absolute path", it.value)
		}
	case "lock_path":
		c.LockPath, err = it.value, checkFolder(it.value)
	case "fence_path":
		c.FencePath, err = it.value, checkFolder(it.value)
	case "lock_path_shared":
		c.LockPathShared, err = parseBool(it.value)
	case "use_syslog":
		c.UseSyslog, err = parseBool(it.value)
	case "syslog_log_facility":
		c.SyslogFacility, err = parseFacility(it.value)
	case "syslog_log_level":
		c.SyslogLevel = strings.ToUpper(it.value)
		if !slices.Contains(levels, c.SyslogLevel) {
			err = fmt.Errorf("Unexpected syslog_log_level: '%s'", it.value)
		}
	case "daemon_timeout":
		var n int64
		n, err = parseInt(it.value)
		c.DaemonTimeout = time.Duration(max(-maxSeconds, min(n, maxSeconds))) * time.Second
	case "daemon_max_request":
		c.DaemonMax.Request, err = parseCount(it)
	case "daemon_max_output":
		c.DaemonMax.Output, err = parseCount(it)
	case "daemon_max_memory":
		c.DaemonMax.Memory, err = parseCount(it)
	case "daemon_max_half_open":
		c.DaemonMax.HalfOpen, err = parseCount(it)
	case "daemon_max_connections":
		c.DaemonMax.Connections, err = parseCount(it)
	case "daemon_max_commands":
		c.DaemonMax.Commands, err = parseCount(it)
	case "rlimit_nofile":
		var n int64
		n, err = parseInt(it.value)
		c.RlimitNofile, c.HasRlimitNofile = int(max(-1<<31, min(n, 1<<31-1))), true
	case "semantics":
		c.Semantics, err = ParseSemantics(it.value)
	case "capabilities":
		c.Capabilities, err = parseCapabilities(it.value)
		c.HasCapabilities = true
	case "user":
		c.User, err = it.value, checkAccount("user", it.value)
	case "group":
		c.Group, err = it.value, checkAccount("group", it.value)
	case "trusted_groups":
		c.TrustedGroups = strings.FieldsFunc(it.value, func(r rune) bool { return r == ',' || pySpace(r) })
		for _, g := range c.TrustedGroups {
			if err == nil {
				err = checkAccount("trusted_groups", g)
			}
		}
	default:
		return c.Service.set(it)
	}
	return true, err
}

func parseBool(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "1", "yes", "true", "on":
		return true, nil
	case "0", "no", "false", "off":
		return false, nil
	}
	return false, fmt.Errorf("Not a boolean: %s", value)
}

func parseInt(value string) (int64, error) {
	n, ok := pyInt(value)
	if !ok {
		return 0, fmt.Errorf("invalid literal for int() with base 10: '%s'", value)
	}
	return n, nil
}

// maxCount is a TiB: more of anything is a mistake.
const maxCount = 1 << 40

// parseCount reads a number that is to bound something.
func parseCount(it item) (int64, error) {
	n, err := parseInt(it.value)
	if err == nil && (n < 1 || n > maxCount) {
		err = fmt.Errorf("%s: %d is not between 1 and %d", it.name, n, int64(maxCount))
	}
	return n, err
}

// parseFacility takes the names of facilities and, as rootwrap does, those of SysLogHandler's constants. Of these the
// priorities are numbers as well, and so name the first facilities.
func parseFacility(value string) (string, error) {
	if slices.Contains(facilities, value) {
		return value, nil
	}
	constant, ok := strings.CutPrefix(value, "LOG_")
	name := strings.ToLower(constant)
	switch i := slices.Index(priorities, name); {
	case !ok || constant != strings.ToUpper(constant):
	case i >= 0:
		return priorityFacilities[i], nil
	case name == "solcron":
		return "solaris-cron", nil
	case name != "solaris-cron" && slices.Contains(facilities, name):
		return name, nil
	}
	return "", fmt.Errorf("Unexpected syslog_log_facility: %s", value)
}

// validate refuses folders that are not absolute paths: relative ones would be looked for below the caller's working
// directory. rootwrap does so; Oslo leaves such folders out instead.
func (c *Config) validate() error {
	if c.Semantics == Oslo {
		return nil
	}
	for option, dirs := range map[string][]string{"filters_path": c.FiltersPath, "exec_dirs": c.ExecDirs} {
		for _, dir := range dirs {
			if !isAbs(dir) {
				return &Error{
					File: c.File, Line: c.Lines[option], Deviation: FileTrust, Value: true,
					Msg: fmt.Sprintf("%s: %q is not an absolute path (white space around commas counts)", option, dir),
				}
			}
		}
	}
	return nil
}
