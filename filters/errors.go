package filters

import "fmt"

// An Error is what is wrong with a configuration or policy file. Nothing of a file with an error is used.
type Error struct {
	File string
	Line int // 0 where the file as a whole is meant
	Msg  string
	// Deviation names why strict semantics refuses what rootwrap accepts; empty where both refuse.
	Deviation Deviation
	// Value says that the file could be parsed and one value in it is wrong, which rootwrap words differently.
	Value bool
}

// Error returns FILE:LINE: message.
func (e *Error) Error() string { return place(e.File, e.Line, e.Msg) }

// A Warning is something in a file that has no effect, or not the one its author may expect.
type Warning struct {
	File string
	Line int // 0 where the file as a whole is meant
	Msg  string
}

// String returns FILE:LINE: message.
func (w Warning) String() string { return place(w.File, w.Line, w.Msg) }

func place(file string, line int, msg string) string {
	if line == 0 {
		return fmt.Sprintf("%s: %s", file, msg)
	}
	return fmt.Sprintf("%s:%d: %s", file, line, msg)
}
