// Package weaken says which of the guards is gone from a binary that the attack suite has weakened on purpose. No binary that
// ships links it: the patches beside this file, which the suite alone applies, ask it.
//
// A patch begins with a line "Attacks: AREA/NAME …", the attacks that come through where its guard is gone. It is named for
// the guard, and adds weaken.Gone("NAME") to the condition; the suite adds the import. So one build has all guards, each of
// which is taken away by one name in a copy of the binary, and no red attack can be another patch's doing.
package weaken

import "strings"

// Mark stands before the name of the guard that is gone, and Room is how many bytes there are for that, padded with dots.
const (
	Mark = "privhelper, weakened by attack/weaken, without the guard "
	Room = 32
)

// gone is a variable, so that it stands in the binary once, and is read there.
var gone = Mark + "................................"

// Gone reports whether this binary is to do without a guard.
func Gone(guard string) bool { return strings.HasPrefix(gone[len(Mark):], guard+".") }
