package lint

// A Name is what a finding is called: in its text, in comments that accept it, and in privhelper-filters(5). An unsafe
// acceptance of semantics = oslo has the name of its filters.Deviation instead of one of these.
type Name string

const (
	// DangerousProgram: with arguments of the caller's choice the program is a shell, or as good as one.
	DangerousProgram Name = "dangerous-program"
	// AnyArguments: the rule allows any arguments whatever.
	AnyArguments Name = "any-arguments"
	// IgnoredArguments: a CommandFilter has arguments, which restrict nothing.
	IgnoredArguments Name = "ignored-arguments"
	// OpenPattern: a pattern matches every argument there is.
	OpenPattern Name = "open-pattern"
	// OptionPattern: a pattern that is not for options matches one.
	OptionPattern Name = "option-pattern"
	// Traversal: a pattern for paths below a folder matches one with ".." that leads out of it.
	Traversal Name = "traversal"
	// UnescapedDot: a dot among letters matches any byte.
	UnescapedDot Name = "unescaped-dot"
	// NamePattern: a RegExpFilter's first pattern, which is for the command's name, does not match it.
	NamePattern Name = "name-pattern"
	// BroadPath: a folder for paths is one of the system's own.
	BroadPath Name = "broad-path"
	// Shadowed: an earlier rule allows all that this one does.
	Shadowed Name = "shadowed"
	// NeverMatches: no command line can match the rule.
	NeverMatches Name = "never-matches"
	// DuplicateName: two rules have one name; in one file, only the second is left.
	DuplicateName Name = "duplicate-name"
	// MissingExecutable: there is no such program on this machine.
	MissingExecutable Name = "missing-executable"
	// WritableExecutable: somebody but root may change the program.
	WritableExecutable Name = "writable-executable"
	// PathRace: somebody but root may swap what a checked path leads to.
	PathRace Name = "path-race"
	// UID0OwnsFiles: capabilities do not keep a command that runs as root from root's files.
	UID0OwnsFiles Name = "uid0-owns-files"
	// RootCapability: a capability of the rule is as good as being root.
	RootCapability Name = "root-capability"
	// Learning: a policy file's rules count only where all others refuse, and what they allow is to be written down.
	Learning Name = "learning"
	// NoCapabilities: the configuration has no capabilities.
	NoCapabilities Name = "no-capabilities"
	// Nsswitch: clients names users or groups, and this machine has some that are in no file.
	Nsswitch Name = "nsswitch"
	// SudoersConfig: sudoers lets the caller choose the configuration.
	SudoersConfig Name = "sudoers-config"
	// SudoersAny: sudoers allows any command.
	SudoersAny Name = "sudoers-any"
	// SudoersEnvironment: sudoers lets the caller choose the helper's environment.
	SudoersEnvironment Name = "sudoers-environment"
	// UselessAccept: a comment accepts what was not found, or gives no reason.
	UselessAccept Name = "useless-accept"
	// Load: what the loader says.
	Load Name = "load"
)
