package filters

import (
	"slices"
	"strings"

	"github.com/privhelper/privhelper/filters/internal/argv"
)

// argvFilter compares every argument with a pattern of its own: see the package argv for the grammar. It has the same
// meaning in both semantics, since rootwrap knows no such class and skips its rules.
type argvFilter struct{ pattern *argv.Pattern }

func buildArgv(b *builder, r *Rule) error {
	r.executable()
	// Not r.Args: commas stand in holes, too.
	text, more := b.text, true
	for range 3 { // the class, the executable, run_as
		_, text, more = strings.Cut(text, ",")
	}
	if more && strings.TrimFunc(text, pySpace) == "" {
		return b.fail(r, BadLine, "rule %q: an argument is empty: leave out the comma before it", r.Name)
	}
	p, err := argv.Parse(text)
	if err != nil {
		return b.fail(r, BadLine, "rule %q: %v", r.Name, err)
	}
	r.Args, r.kind = p.Elements(), argvFilter{p}
	return b.checkRule(r)
}

func (k argvFilter) match(q *query, r *Rule, args []string, out *Verdict) bool {
	if !r.named(args[0]) {
		return false
	}
	uses, ok := k.pattern.Match(args[1:])
	if !ok {
		if q.explain {
			q.no("", "%s", k.pattern.Explain(args[1:]))
		}
		return false
	}
	out.Argv = args
	if len(uses) == 0 {
		return true
	}
	out.Argv = slices.Clone(args)
	for _, u := range uses {
		i := u.Arg + 1
		canonical, err := q.machine.Beneath(u.Dir, args[i][u.Offset:])
		if err != nil || !below(u.Dir, canonical) {
			if q.explain {
				q.beneath(i, args[i], u.Dir, err)
			}
			return false
		}
		out.Argv[i] = args[i][:u.Offset] + canonical
		if u.Descriptor {
			q.files = append(q.files, file{File: File{Arg: i, Offset: u.Offset}, dir: u.Dir, path: canonical})
		}
	}
	return true
}

// beneath notes that an argument leads elsewhere.
func (q *query) beneath(i int, arg, dir string, err error) {
	if err == nil {
		q.no("", "argument %d, %q, is not below %s", i, arg, dir)
		return
	}
	q.no("", "argument %d, %q, is not below %s: %v", i, arg, dir, err)
}

func (argvFilter) keys(r *Rule, ix *index) { ix.command(r) }
