package filters

import "fmt"

// command allows a program with any arguments, by its name or by the path the rule gives.
type command struct{}

func buildCommand(b *builder, r *Rule) error {
	r.executable()
	r.kind = command{}
	if len(r.Args) > 0 {
		b.warn(r.File, r.Line, fmt.Sprintf("rule %q: a CommandFilter ignores arguments, these restrict nothing", r.Name))
	}
	return nil
}

// named is CommandFilter.match of rootwrap, the part that most classes share.
func (r *Rule) named(name string) bool { return name == basename(r.Exec) || name == r.Exec }

func (command) match(r *Rule, args []string, out *Verdict) bool {
	out.Argv = args
	return r.named(args[0])
}

func (command) keys(r *Rule, ix *index) { ix.command(r) }

// never is ChainingFilter itself, which rootwrap leaves without a way to find the inner command: it allows nothing.
type never struct{}

func buildChaining(_ *builder, r *Rule) error {
	r.executable()
	r.kind, r.chain = never{}, true
	return nil
}

func (never) keys(*Rule, *index) {}
