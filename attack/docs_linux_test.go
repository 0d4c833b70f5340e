package attack

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	docs  = "../docs/attacks.md"
	model = "../docs/threat-model.md"

	// Between them the threat model has a row for each promise.
	rowsBegin, rowsEnd = "<!-- attacks of each promise, by go test ./attack -run TestDocs -write -->\n", "<!-- end -->\n"
)

// TestDocs writes docs/attacks.md by a run, or compares it: what the peers do is asked for -write and -weakened, and otherwise
// believed of the page. The same of the threat model's rows.
func TestDocs(t *testing.T) {
	for file, made := range map[string]func(t *testing.T, was string) string{docs: page, model: promises} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		is := made(t, string(text))
		switch {
		case is == string(text):
		case *write:
			if err := os.WriteFile(file, []byte(is), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s is not what this run finds: as root, go test ./attack -run TestDocs -write, and look at the difference", file)
		}
	}
}

// promises writes what was, the threat model, with the attacks on each promise by their names.
func promises(t *testing.T, was string) string {
	before, rest, begins := strings.Cut(was, rowsBegin)
	_, after, ends := strings.Cut(rest, rowsEnd)
	if !begins || !ends {
		t.Fatalf("%s has no place for its rows: %s%s", model, rowsBegin, rowsEnd)
	}
	guarded := map[string]bool{}
	for _, p := range readPatches(t) {
		for _, name := range p.attacks {
			guarded[name] = true
		}
	}
	var rows strings.Builder
	rows.WriteString("| promise | attacks | red without a guard | their names |\n|---|---|---|---|\n")
	for promise := 1; promise <= 10; promise++ {
		var names []string
		all, red := 0, 0
		for _, area := range areas {
			begin := len(names)
			for _, a := range area.attacks {
				if a.promise != promise {
					continue
				}
				all++
				if guarded[area.name+"/"+a.name] {
					red++
				}
				names = append(names, a.name)
			}
			if len(names) > begin {
				names[begin] = "**" + area.name + "**: " + names[begin]
			}
		}
		fmt.Fprintf(&rows, "| promise %d | %d | %d | %s |\n", promise, all, red, strings.Join(names, ", "))
	}
	return before + rowsBegin + rows.String() + rowsEnd + after
}

// page writes what was is to be.
func page(t *testing.T, was string) string {
	ask := *write || *weakened
	if ask {
		needPeers(t)
	}
	guards, red, all := map[string][]string{}, 0, 0
	for _, p := range readPatches(t) {
		for _, name := range p.attacks {
			guards[name] = append(guards[name], p.guard)
		}
	}
	var rows strings.Builder
	for _, area := range areas {
		fmt.Fprintf(&rows, "\n## %s\n\n| attack | what is done | promise | without the guard |", area.name)
		for _, p := range peers {
			rows.WriteString(" " + p.name + " |")
		}
		rows.WriteString("\n|---|---|---|---|" + strings.Repeat("---|", len(peers)) + "\n")
		for _, a := range area.attacks {
			name, guard := area.name+"/"+a.name, "—"
			if all++; len(guards[name]) > 0 {
				guard = strings.Join(guards[name], ", ")
				red++
			}
			row := fmt.Sprintf("| %s | %s |", a.name, strings.ReplaceAll(a.how, "|", "\\|"))
			told := lastColumns(was, row)
			for i, p := range peers {
				if ask {
					t.Run(name+"/"+p.name, func(t *testing.T) {
						told[i] = a.of(t, name, p)
						t.Log(told[i])
					})
				}
			}
			fmt.Fprintf(&rows, "%s %d | %s | %s |\n", row, a.promise, guard, strings.Join(told, " | "))
		}
	}
	return fmt.Sprintf(head, all, red) + rows.String()
}

const head = `# Attacks

Written by ` + "`go test ./attack -run TestDocs -write`" + `. privhelper holds against each of these %d, or ` + "`attack.TestAttacks`" + ` fails.
Of them %d come through a binary without one guard, which ` + "`attack.TestWeakened`" + ` shows in CI: the guards are the patches in
attack/weaken. What a client sends in frames is in ` + "`privsep/internal/hostile`" + `.

The last columns are what others do under the same attack, as Debian 12 ships them: oslo.rootwrap 6.3.1 and its daemon under the
same policy, started by root; sudo 1.9.13p3 and doas 6.8.2 called by an ordinary user, with Debian's defaults and the line that an
administrator would write for the same permission (patterns of sudoers by its wildcards; doas.conf has none, and is asked only
where the arguments are fixed or free). They promise less: what "does not" hold is often by design, and then says what one has
to know. — stands where the attack means nothing to a peer:

- it has no such thing: rules of ours, locks, a service, lifetimes of what was started, an audit log of its own, digests but sudo's;
- it would hang, and does not hold: oslo.rootwrap and doas wait for a FIFO in the place of their configuration;
- or the attack needs points that only privhelper's own code has (faults, killed, frozen, reused).
`

// of makes an attack on a peer, in a world of its own, and says whether that holds.
func (a *attack) of(t *testing.T, name string, p peer) string {
	switch other := onOthers[name]; {
	case other != nil:
		return other(newWorld(t), p)
	case a.ask != nil:
		return a.ask.of(newWorld(t), p)
	}
	return "—"
}

// lastColumns is what a page says of the peers in the row that begins so.
func lastColumns(page, row string) []string {
	_, rest, _ := strings.Cut(page, "\n"+row)
	line, _, _ := strings.Cut(rest, "\n")
	columns := strings.Split(strings.TrimSuffix(line, " |"), " | ")
	for len(columns) < len(peers) {
		columns = append(columns, "—")
	}
	return columns[len(columns)-len(peers):]
}
