package lockutils

import (
	"strings"
	"testing"
)

// Exact names never meet, whatever the prefixes, and no name leaves the folder or meets what is kept beside the locks.
func FuzzNaming(f *testing.F) {
	f.Add("", "a/b", "", "a_b")
	f.Add("a", "b-c", "a-b", "c")
	f.Add("a", "b", "", "a~b")
	f.Add("", strings.Repeat("x", 300), "", strings.Repeat("x", 300)+"y")
	f.Add(strings.Repeat("p", 300), "a", strings.Repeat("p", 301), "a")
	f.Add("nova-", "..", "", ".lockutils")
	f.Fuzz(func(t *testing.T, prefix1, name1, prefix2, name2 string) {
		for _, naming := range []Naming{Exact, Oslo} {
			one, err := naming.file(prefix1, name1)
			if err != nil {
				if naming == Exact && name1 != "" {
					t.Error(err)
				}
				continue
			}
			if one == "" || one == "." || one == ".." || len(one) > nameMax || strings.ContainsAny(one, "/\x00") || strings.HasPrefix(one, sideFolder) {
				t.Errorf("%q %q is the file %q", prefix1, name1, one)
			}
			if len(one) < nameMax && !naming.ours(prefix1, one) {
				t.Errorf("CleanUp does not know %q of %q", one, prefix1)
			}
			two, err := naming.file(prefix2, name2)
			if naming == Exact && err == nil && (one == two) != (prefix1 == prefix2 && name1 == name2) {
				t.Errorf("%q %q is %q, %q %q is %q", prefix1, name1, one, prefix2, name2, two)
			}
		}
	})
}
