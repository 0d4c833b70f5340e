package filters

// readFile allows cat of exactly one file. In Strict the helper opens it and cat gets it as its standard input.
type readFile struct{ path string }

func buildReadFile(b *builder, r *Rule) error {
	r.Exec, r.RunAs = "/bin/cat", "root"
	r.kind = readFile{path: r.Args[0]}
	if b.semantics == Strict && !isAbs(r.Args[0]) {
		return b.fail(r, BadLine, "rule %q: %q is not an absolute path", r.Name, r.Args[0])
	}
	return nil
}

func (k readFile) match(q *query, args []string, out *Verdict) bool {
	if len(args) != 2 || args[0] != "cat" || args[1] != k.path {
		if q.explain {
			q.no("", "the rule is for exactly: cat %s", k.path)
		}
		return false
	}
	out.Argv = args
	if q.policy.semantics == Oslo {
		q.unsafe(ReadFile)
		return true
	}
	out.Argv, out.Stdin = args[:1:1], k.path
	return true
}

func (readFile) keys(r *Rule, ix *index) { ix.name("cat", r) }
