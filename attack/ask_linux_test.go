package attack

// An ask is an attack that is a request: for a command that policy does not allow, or for one that it does, by a caller who
// hands on what the command must not get.
type ask struct {
	options, rules string            // of privhelper.conf, and of the policy
	oslo           bool              // whether oslo.rootwrap is asked under the same policy
	sudo           string            // commands that an administrator would allow in sudoers for the same; "": sudo is not asked
	doas           string            // the same as lines of doas.conf, from the command on
	as             string            // the user of these; "": root
	files          func(w *world)    // what must be there
	harmless       []string          // a command that must run
	change         func(w *world)    // what somebody does between the two requests
	caller         string            // what the caller does before the hostile request
	hostile        []string          // the command that must not run; nil: the harmless one
	bad            func(result) bool // whether a hostile command that ran got what it must not have; nil: that it ran
}

// attack makes the request on every road.
func (a *ask) attack(w *world) {
	w.t.Helper()
	w.policy(a.options, a.rules)
	if a.files != nil {
		a.files(w)
	}
	for _, road := range roads {
		before := w.decisions()
		r := road.take(w, "", w.texts(a.harmless))
		if !r.ran || r.code != 0 || w.decisions() != before+1 {
			w.t.Fatalf("%s: the harmless command, %d lines in the log: %v", road.name, w.decisions()-before, r)
		}
		if a.bad != nil && a.bad(r) {
			w.t.Fatalf("%s: the harmless command has what it must not have: %v", road.name, r)
		}
	}
	if a.change != nil {
		a.change(w)
	}
	for _, road := range roads {
		before := w.decisions()
		r := road.take(w, w.text(a.caller), w.texts(a.request()))
		if a.through(r) {
			w.t.Errorf("%s: came through: %v", road.name, r)
		}
		// A helper that the caller left no means to start with decides nothing, and says so; and a launcher hands in nothing
		// that others may write.
		if n := w.decisions() - before; n != 1 && (n != 0 || r.ran || r.errors == "" || a.bad == nil && r.code != 97) {
			w.t.Errorf("%s: %d lines in the log: %v", road.name, n, r)
		}
	}
}

func (a *ask) request() []string {
	if a.hostile == nil {
		return a.harmless
	}
	return a.hostile
}

// through reports whether the attack has reached what it is for.
func (a *ask) through(r result) bool {
	if a.bad == nil {
		return r.ran || r.canary != ""
	}
	return r.canary != "" || r.ran && a.bad(r)
}
