package filters_test

import (
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
)

func TestSectionErrors(t *testing.T) {
	for section, want := range map[string]string{
		"what = 1":         "what of rule \"a\": the key is not known",
		"lifetime = never": "write client or detached",
	} {
		_, _, err := policy(filters.Strict, "a: CommandFilter, ip, root\n[a]\n"+section+"\n")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "test.filters:4: ") {
			t.Errorf("%s: %v, want %s", section, err, want)
		}
	}
}
