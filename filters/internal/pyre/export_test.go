package pyre

// Both returns what the positions of a pattern answer and what the engine does that they stand in for. ok is false where
// the pattern has no positions, or only an engine that may give up.
func Both(p *Pattern, text string) (positions, engine, ok bool) {
	if !HasPositions(p) {
		return false, false, false
	}
	other := &Pattern{anchor: p.anchor, root: p.root}
	other.build.Do(other.engine)
	if other.linear == nil {
		return false, false, false
	}
	return p.Match(text), other.Match(text), true
}

// HasPositions says whether a pattern needs no engine.
func HasPositions(p *Pattern) bool {
	if p.literal {
		return false // compared, and not matched
	}
	p.build.Do(p.compile)
	return p.small != nil
}
