package attack

import (
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// An attack is one thing that somebody hostile does. It is either an ask, which can be put to others than privhelper too, or
// whatever do does.
type attack struct {
	name    string // of the test
	how     string // what is done, for docs/attacks.md
	promise int    // of docs/threat-model.md: the one that would be broken
	ask     *ask
	do      func(w *world)
}

// make makes the attack.
func (a *attack) make(w *world) {
	w.t.Helper()
	if a.ask != nil {
		a.ask.attack(w)
		return
	}
	a.do(w)
}

// An area is a group of attacks under one heading.
type area struct {
	name    string
	attacks []attack
}

var areas = []area{
	{"filters", filterAttacks},
	{"arguments", argumentAttacks},
	{"environment", environmentAttacks},
	{"caller", callerAttacks},
	{"configuration", configurationAttacks},
	{"files", fileAttacks},
	{"privileges", privilegeAttacks},
	{"locks", lockAttacks},
	{"intruder", intruderAttacks},
	{"service", serviceAttacks},
	{"lifetime", lifetimeAttacks},
	{"network", networkAttacks},
	{"terminal", terminalAttacks},
	{"errors", errorAttacks},
	{"mounts", mountAttacks},
	{"core", coreAttacks},
	{"faults", faultAttacks},
	{"killed", killedAttacks},
	{"frozen", frozenAttacks},
	{"reused", reuseAttacks},
	{"user", userAttacks},
}

// TestAttacks makes every attack on the binary, as root. Each has a world of its own.
func TestAttacks(t *testing.T) {
	testenv.NeedRoot(t)
	others := startBystander(t)
	for _, area := range areas {
		t.Run(area.name, func(t *testing.T) {
			for _, a := range area.attacks {
				t.Run(a.name, func(t *testing.T) {
					w := newWorld(t)
					a.make(w)
					others.live(t)
				})
			}
		})
	}
}

// TestTable: the names tell attacks apart, and every promise is attacked at least three times, and at least once with its
// guard taken away.
func TestTable(t *testing.T) {
	seen, promised, red := map[string]int{}, map[int]int{}, map[int]int{}
	for _, area := range areas {
		for _, a := range area.attacks {
			name := area.name + "/" + a.name
			if seen[name] != 0 || a.how == "" || (a.ask == nil) == (a.do == nil) {
				t.Errorf("%s is there twice, or says or does nothing", name)
			}
			seen[name] = a.promise
			promised[a.promise]++
		}
	}
	for _, p := range readPatches(t) {
		for _, name := range p.attacks {
			if seen[name] == 0 {
				t.Errorf("weaken/%s.patch: there is no attack %s", p.guard, name)
			}
			red[seen[name]]++
		}
	}
	for promise := 1; promise <= 10; promise++ {
		if promised[promise] < 3 || red[promise] < 1 {
			t.Errorf("promise %d is attacked %d times, and %d times without a guard", promise, promised[promise], red[promise])
		}
		delete(promised, promise)
	}
	if len(promised) > 0 {
		t.Errorf("promises that there are not: %v", promised)
	}
}
