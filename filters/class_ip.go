package filters

import (
	"slices"
	"strings"
)

// The spellings of netns and exec that rootwrap knows; ip(8) takes any beginning of a word.
var (
	netnsWords = []string{"net", "netn", "netns"}
	execWords  = []string{"e", "ex", "exe", "exec"}
)

// ip allows every use of ip(8) but the running of programs.
type ip struct{}

func buildIP(b *builder, r *Rule) error {
	r.executable()
	r.kind = ip{}
	return b.isIP(r)
}

// isIP refuses a rule that is found by the name ip and runs something else.
func (b *builder) isIP(r *Rule) error {
	if b.semantics == Strict && basename(r.Exec) != "ip" {
		return b.fail(r, BadLine, "rule %q: %s judges arguments of ip and would run %s with them", r.Name, r.Class, r.Exec)
	}
	return nil
}

func (ip) match(q *query, args []string, out *Verdict) bool {
	if args[0] != "ip" {
		return false
	}
	out.Argv = args
	// rootwrap looks at the first word that may be netns, wherever it stands.
	for i := 1; i+1 < len(args); i++ {
		if slices.Contains(netnsWords, args[i]) {
			if slices.Contains(execWords, args[i+1]) {
				if q.explain {
					q.no("", "ip %s %s runs a program", args[i], args[i+1])
				}
				return false
			}
			break
		}
	}
	why := runsProgram(args)
	if why == "" {
		return true
	}
	if q.policy.semantics == Oslo {
		q.unsafe(IPExec)
		return true
	}
	if q.explain {
		q.no(IPExec, "%s", why)
	}
	return false
}

func (ip) keys(r *Rule, ix *index) { ix.name("ip", r) }

// An ipOption is one of ip's, by its long name; any beginning of it is taken, in the order of the table, and two dashes
// for one (iproute2, ip.c).
type ipOption struct {
	name  string
	exact bool // no beginnings
	value bool // the next argument belongs to it
}

var ipOptions = []ipOption{
	{"-loops", false, true}, {"-family", false, true},
	{"-4", true, false}, {"-6", true, false}, {"-0", true, false}, {"-M", true, false}, {"-B", true, false},
	{"-human-readable", false, false}, {"-iec", false, false}, {"-statistics", false, false}, {"-stats", false, false},
	{"-details", false, false}, {"-resolve", false, false}, {"-oneline", false, false}, {"-timestamp", false, false},
	{"-tshort", false, false}, {"-Version", false, false}, {"-force", false, false}, {"-batch", false, true},
	{"-brief", false, false}, {"-json", false, false}, {"-pretty", false, false}, {"-rcvbuf", false, true},
	{"-color", false, false}, {"-help", false, false}, {"-netns", false, true}, {"-Numeric", false, false},
	{"-all", false, false}, {"-echo", true, false},
}

func findIPOption(arg string) *ipOption {
	if strings.HasPrefix(arg, "--") {
		arg = arg[1:]
	}
	arg, _, _ = strings.Cut(arg, "=") // -color=always
	for i := range ipOptions {
		if o := &ipOptions[i]; arg == o.name || !o.exact && strings.HasPrefix(o.name, arg) {
			return o
		}
	}
	return nil
}

// runsProgram returns why ip's arguments may run a program of the caller's or read its instructions from a file, or "".
// An option that ip does not know ends ip; it is refused here, because another version may know it.
func runsProgram(args []string) string {
	i := 1
	for ; i < len(args) && strings.HasPrefix(args[i], "-"); i++ {
		if args[i] == "--" {
			i++
			break
		}
		o := findIPOption(args[i])
		if o == nil {
			return "the meaning of ip " + args[i] + " is not known"
		}
		switch o.name {
		case "-batch":
			return "ip " + args[i] + " reads commands from a file"
		case "-force":
			return "ip " + args[i] + " is for batches of commands"
		case "-netns":
			if i+1 < len(args) && !netnsName(args[i+1]) {
				return "ip " + args[i] + " enters any file, and mounts below /etc, by a name with a slash"
			}
		}
		if o.value {
			i++
		}
	}
	if i >= len(args) {
		return ""
	}
	object, rest := args[i], args[i+1:]
	if begins(object, "netns") || begins(object, "vrf") {
		for _, word := range rest {
			// ip takes no options here, yet no other reading of them may hide the word.
			if strings.HasPrefix(word, "-") {
				continue
			}
			if begins(word, "exec") {
				return "ip " + object + " " + word + " runs a program"
			}
			break
		}
	}
	for j, word := range rest {
		if loadsBPF(word) && j+1 < len(rest) && rest[j+1] != "off" && rest[j+1] != "none" {
			return "ip " + object + " … " + word + " " + rest[j+1] + " may load a program into the kernel"
		}
	}
	return ""
}

// netnsName accepts what names one file below /run/netns and can be no option.
func netnsName(name string) bool {
	return name != "" && name != "." && name != ".." && name[0] != '-' && strings.IndexByte(name, '/') < 0
}

// begins reports whether ip takes word for full.
func begins(word, full string) bool { return word != "" && strings.HasPrefix(full, word) }

// loadsBPF knows the words before a program's file (iplink_xdp.c, iproute_lwtunnel.c).
func loadsBPF(word string) bool {
	switch word {
	case "xdp", "xdpgeneric", "xdpdrv", "xdpoffload", "bpf", "End.BPF":
		return true
	}
	return false
}

// ipNetnsExec allows ip netns exec NAME before a command that another rule allows.
type ipNetnsExec struct{}

func buildIPNetnsExec(b *builder, r *Rule) error {
	r.executable()
	r.kind, r.chain = ipNetnsExec{}, true
	if b.semantics == Strict && r.RunAs != "root" {
		return b.fail(r, BadLine, "rule %q can never match: only root enters network namespaces", r.Name)
	}
	return b.isIP(r)
}

func (ipNetnsExec) match(q *query, r *Rule, args []string, out *Verdict) bool {
	if r.RunAs != "root" || len(args) < 4 || args[0] != "ip" ||
		!slices.Contains(netnsWords, args[1]) || !slices.Contains(execWords, args[2]) {
		if q.explain {
			q.no("", "the rule is for: ip netns exec NAME COMMAND")
		}
		return false
	}
	// By a name with a slash /run/netns/NAME is any file, and /etc/netns/NAME is mounted over /etc.
	if !netnsName(args[3]) {
		if q.policy.semantics == Strict {
			if q.explain {
				q.no(IPExec, "%q is not the name of a network namespace", args[3])
			}
			return false
		}
		q.unsafe(IPExec)
	}
	out.Argv, q.prefix = args, 4
	return true
}

func (ipNetnsExec) keys(r *Rule, ix *index) { ix.name("ip", r) }
