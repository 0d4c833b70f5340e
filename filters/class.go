package filters

import "fmt"

// A kind is what a class makes of a rule's arguments. Each has besides a method match, which decides whether rule r
// allows args, which is never empty, and says in out what runs then: Argv, whose first is a name and not a path, Env,
// Stdin and Kill.
type kind interface {
	// keys tells the index by which commands the rule can be found.
	keys(r *Rule, ix *index)
}

// match asks the rule's kind. It is a switch, and match is no method of the interface, so that the compiler sees that no
// kind keeps the query: it then stands on the stack, and to allocate it would be a third of a decision.
func (q *query) match(r *Rule, args []string, out *Verdict) bool {
	switch k := r.kind.(type) {
	case command:
		return k.match(r, args, out)
	case *regExp:
		return k.match(q, r, args, out)
	case pathArgs:
		return k.match(q, r, args, out)
	case *env:
		return k.match(q, r, args, out)
	case *kill:
		return k.match(q, args, out)
	case readFile:
		return k.match(q, args, out)
	case ip:
		return k.match(q, args, out)
	case ipNetnsExec:
		return k.match(q, r, args, out)
	case argvFilter:
		return k.match(q, r, args, out)
	}
	return false // never
}

// A class makes rules of its name.
type class struct {
	needs []string // what must be written, for the message
	// build completes r, whose Args hold all that was written after the class.
	build func(b *builder, r *Rule) error
}

// classes is rootwrap's table, and ours. A new class is one more line here.
var classes = map[string]class{
	"CommandFilter":        {[]string{"an executable", "run_as"}, buildCommand},
	"RegExpFilter":         {[]string{"an executable", "run_as"}, buildRegExp},
	"PathFilter":           {[]string{"an executable", "run_as"}, buildPath},
	"EnvFilter":            {[]string{"an executable", "run_as"}, buildEnv},
	"KillFilter":           {[]string{"run_as"}, buildKill},
	"ReadFileFilter":       {[]string{"a file"}, buildReadFile},
	"IpFilter":             {[]string{"an executable", "run_as"}, buildIP},
	"IpNetnsExecFilter":    {[]string{"an executable", "run_as"}, buildIPNetnsExec},
	"ChainingRegExpFilter": {[]string{"an executable", "run_as"}, buildChainingRegExp},
	"ChainingFilter":       {[]string{"an executable", "run_as"}, buildChaining},
	"ArgvFilter":           {[]string{"an executable", "run_as"}, buildArgv}, // ours
}

// notClasses are names that rootwrap 6.3 finds in its module of filters and takes for a class, whereupon every command
// of the service fails. Later versions skip them; a policy that one version cannot load is refused here.
var notClasses = map[string]bool{
	"os": true, "re": true, "shutil": true, "sys": true, "pwd": true, "realpath": true, "_getuid": true,
	"NETNS_VARS": true, "EXEC_VARS": true,
}

// A builder makes the rules of one policy.
type builder struct {
	semantics Semantics
	detached  bool     // the default of lifetime
	none      *Section // of the rules that have none
	patterns  map[string]*pattern
	text      string // of the rule that is being built, as written

	regExps slab[regExp]
	places  slab[*pattern] // of regExps
	envs    slab[env]
	vars    slab[variable]

	warn func(file string, line int, msg string)
}

// build makes r of the fields that were written after its name. It returns false for a rule that rootwrap skips.
func (b *builder) build(r *Rule, written []string) (bool, error) {
	r.Class, r.Args = written[0], written[1:]
	c, ok := classes[r.Class]
	switch {
	case !ok && b.semantics == Strict:
		return false, b.fail(r, UnknownClass, "class %q of rule %q is not known", r.Class, r.Name)
	case !ok && notClasses[r.Class]:
		return false, b.fail(r, "", "%q of rule %q is not a class of filters", r.Class, r.Name)
	case !ok:
		b.warn(r.File, r.Line, fmt.Sprintf("class %q is not known: rule %q is skipped", r.Class, r.Name))
		return false, nil
	}
	if len(r.Args) < len(c.needs) {
		return false, b.fail(r, "", "rule %q: %s needs %s", r.Name, r.Class, c.needs[len(r.Args)])
	}
	if err := c.build(b, r); err != nil {
		return false, err
	}
	if b.semantics == Strict {
		if err := b.checkRule(r); err != nil {
			return false, err
		}
	}
	return true, nil
}

// executable takes the two fields over that most classes begin with.
func (r *Rule) executable() {
	r.Exec, r.RunAs, r.Args = r.Args[0], r.Args[1], r.Args[2:]
}

func (b *builder) checkRule(r *Rule) error {
	if r.Exec == "" {
		return b.fail(r, BadLine, "rule %q has an empty executable", r.Name)
	}
	if !isAbs(r.Exec) && basename(r.Exec) != r.Exec {
		return b.fail(r, BadLine, "rule %q: executable %q is neither an absolute path nor a bare name", r.Name, r.Exec)
	}
	if err := checkRunAs(r.RunAs); err != nil {
		return b.fail(r, BadLine, "rule %q: %v", r.Name, err)
	}
	return nil
}

func (b *builder) fail(r *Rule, d Deviation, format string, args ...any) error {
	return &Error{File: r.File, Line: r.Line, Msg: fmt.Sprintf(format, args...), Deviation: d}
}
