package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

const docs = "../docs/attacks.md"

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

// TestDocs writes docs/attacks.md by a run, or compares it with one.
func TestDocs(t *testing.T) {
	if !*write && !*weakened {
		t.Skip("starts oslo.rootwrap a hundred times: -write writes the page, -weakened compares")
	}
	testenv.NeedRoot(t)
	testenv.NeedProgram(t, "oslo-rootwrap", "python3-oslo.rootwrap")
	var page strings.Builder
	page.WriteString("# Attacks\n\nWritten by `go test ./attack -run TestDocs -write`. privhelper holds against every one of them, or `attack.TestAttacks` " +
		"fails. The\nlast column is oslo.rootwrap's under the same policy, started by root as `privhelper run` is; — where it cannot be asked the same.\n" +
		"What a client sends in frames is in `privsep/internal/hostile`. Guards that `attack.TestWeakened` takes away, and the\n" +
		"attacks that come through then, are the patches in attack/weaken.\n")
	for _, area := range areas {
		fmt.Fprintf(&page, "\n## %s\n\n| attack | what is done | promise | oslo.rootwrap |\n|---|---|---|---|\n", area.name)
		for _, a := range area.attacks {
			oslo := "—"
			if a.ask != nil && a.ask.oslo {
				t.Run(area.name+"/"+a.name, func(t *testing.T) { oslo = a.ask.ofOslo(newWorld(t)) })
			}
			fmt.Fprintf(&page, "| %s | %s | %d | %s |\n", a.name, strings.ReplaceAll(a.how, "|", "\\|"), a.promise, oslo)
		}
	}
	if *write {
		if err := os.WriteFile(filepath.FromSlash(docs), []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(filepath.FromSlash(docs))
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != page.String() {
		t.Errorf("%s is not what this run finds: go test ./attack -run TestDocs -write, and look at the difference", docs)
	}
}
