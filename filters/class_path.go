package filters

import "strings"

// pathArgs compares each argument: pass allows any, a path allows what lies beneath it, other text allows itself.
type pathArgs struct{}

func buildPath(b *builder, r *Rule) error {
	r.executable()
	r.kind = pathArgs{}
	if b.semantics == Strict && len(r.Args) == 0 {
		return b.fail(r, BadLine, "rule %q can never match: write pass, a literal or a folder for each argument", r.Name)
	}
	return nil
}

func (pathArgs) match(q *query, r *Rule, args []string, out *Verdict) bool {
	if !r.named(args[0]) {
		return false
	}
	if len(args)-1 != len(r.Args) || len(args) < 2 {
		if q.explain {
			q.no("", "it has %d arguments, the rule %d", len(args)-1, len(r.Args))
		}
		return false
	}
	for i, want := range r.Args {
		if !isAbs(want) && want != "pass" && want != args[i+1] {
			if q.explain {
				q.no("", "argument %d, %q, is not %q", i+1, args[i+1], want)
			}
			return false
		}
	}
	out.Argv = args
	for i, dir := range r.Args {
		if !isAbs(dir) {
			continue
		}
		canonical, ok := pathWithin(q, i, dir, args[i+1])
		if !ok {
			return false
		}
		if &out.Argv[0] == &args[0] {
			out.Argv = append([]string(nil), args...)
		}
		out.Argv[i+1] = canonical
	}
	return true
}

// pathWithin resolves one argument and reports whether it may be used below dir.
func pathWithin(q *query, i int, dir, arg string) (string, bool) {
	if q.policy.semantics == Oslo {
		canonical := q.machine.RealPath(arg)
		if !strings.HasPrefix(canonical, dir) {
			if q.explain {
				q.no("", "argument %d, %q, is not below %s", i+1, arg, dir)
			}
			return "", false
		}
		if _, err := q.machine.Beneath(dir, arg); err != nil || !isAbs(arg) || !below(dir, canonical) {
			q.unsafe(PathPrefix)
		}
		return canonical, true
	}
	// What a relative path means depends on a working directory, and a command gets none of the caller's.
	if !isAbs(arg) {
		if q.explain {
			q.no(PathPrefix, "argument %d, %q, is not an absolute path", i+1, arg)
		}
		return "", false
	}
	canonical, err := q.machine.Beneath(dir, arg)
	if err == nil && below(dir, canonical) {
		return canonical, true
	}
	if q.explain {
		d := Deviation("")
		if strings.HasPrefix(q.machine.RealPath(arg), dir) {
			d = PathPrefix
		}
		if err != nil {
			q.no(d, "argument %d, %q, is not below %s: %v", i+1, arg, dir, err)
		} else {
			q.no(d, "argument %d, %q, is not below %s", i+1, arg, dir)
		}
	}
	return "", false
}

// below compares whole components. A slash at the end of dir leaves dir itself out, as rootwrap's comparison does; a dir
// that is not written as realpath writes it allows nothing, there as here.
func below(dir, canonical string) bool {
	rest, ok := strings.CutPrefix(canonical, dir)
	if !ok {
		return false
	}
	return rest == "" || strings.HasSuffix(dir, "/") || rest[0] == '/'
}

func (pathArgs) keys(r *Rule, ix *index) { ix.command(r) }
