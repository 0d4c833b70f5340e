package lint

// OtherSources is for the test of what nsswitch.conf says.
var OtherSources = otherSources

// EachProgram goes through the data file.
func EachProgram(visit func(name string, p Program)) {
	for name, p := range programs() {
		visit(name, p)
	}
}
