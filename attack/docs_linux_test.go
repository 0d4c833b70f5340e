package attack

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

const (
	docs  = "../docs/attacks.md"
	model = "../docs/threat-model.md"

	// Between them the threat model has a row for each promise.
	rowsBegin, rowsEnd = "<!-- attacks of each promise, by go test ./attack -run TestDocs -write -->\n", "<!-- end -->\n"
)

// takeOslo has oslo-rootwrap do what `privhelper run` does, under the same policy.
func takeOslo(w *world, caller string, argv []string) result {
	w.t.Helper()
	words := append(from(w.text("PATH=@W@/bin:$PATH\n")+caller), "oslo-rootwrap", w.config) // in which its chains look
	r := takeCommand(w, append(words, argv...))
	if strings.Contains(r.errors, "Traceback (most recent call last)") {
		r.ran = false // it is Python's exit code
	}
	return r
}

// oslo makes an ask of oslo.rootwrap, and says whether that holds.
func (a *ask) ofOslo(w *world) string {
	w.t.Helper()
	w.policy("", a.rules)
	if a.files != nil {
		a.files(w)
	}
	if r := takeOslo(w, "", w.texts(a.harmless)); !r.ran || r.code != 0 {
		w.t.Fatalf("the harmless command: %v", r)
	}
	if a.through(takeOslo(w, w.text(a.caller), w.texts(a.request()))) {
		return "does not"
	}
	return "holds"
}

// TestDocs writes docs/attacks.md by a run, or compares it: what oslo.rootwrap does is asked for -write and -weakened, and
// otherwise believed of the page. The same of the threat model's rows.
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
	if *write || *weakened {
		testenv.NeedRoot(t)
		testenv.NeedProgram(t, "oslo-rootwrap", "python3-oslo.rootwrap")
	}
	guards, red, all := map[string][]string{}, 0, 0
	for _, p := range readPatches(t) {
		for _, name := range p.attacks {
			guards[name] = append(guards[name], p.guard)
		}
	}
	var rows strings.Builder
	for _, area := range areas {
		fmt.Fprintf(&rows, "\n## %s\n\n| attack | what is done | promise | without the guard | oslo.rootwrap |\n|---|---|---|---|---|\n", area.name)
		for _, a := range area.attacks {
			how, name := strings.ReplaceAll(a.how, "|", "\\|"), area.name+"/"+a.name
			oslo := "—"
			switch row := fmt.Sprintf("| %s | %s |", a.name, how); {
			case a.ask == nil || !a.ask.oslo:
			case *write || *weakened:
				t.Run(name, func(t *testing.T) { oslo = a.ask.ofOslo(newWorld(t)) })
			default:
				oslo = lastColumn(was, row)
			}
			guard := "—"
			if all++; len(guards[name]) > 0 {
				guard = strings.Join(guards[name], ", ")
				red++
			}
			fmt.Fprintf(&rows, "| %s | %s | %d | %s | %s |\n", a.name, how, a.promise, guard, oslo)
		}
	}
	return fmt.Sprintf("# Attacks\n\nWritten by `go test ./attack -run TestDocs -write`. privhelper holds against each of these %d, or `attack.TestAttacks` fails.\n"+
		"Of them %d come through a binary without one guard, which `attack.TestWeakened` shows in CI: the guards are the patches in\n"+
		"attack/weaken. The last column is oslo.rootwrap's under the same policy, started by root as `privhelper run` is; — where it\n"+
		"cannot be asked the same. What a client sends in frames is in `privsep/internal/hostile`.\n%s", all, red, rows.String())
}

// lastColumn is what a page says of oslo.rootwrap in the row that begins so.
func lastColumn(page, row string) string {
	_, rest, _ := strings.Cut(page, "\n"+row)
	line, _, _ := strings.Cut(rest, "\n")
	columns := strings.Split(line, " | ")
	return strings.TrimSuffix(columns[len(columns)-1], " |")
}
