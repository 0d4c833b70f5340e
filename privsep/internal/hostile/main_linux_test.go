package hostile

import (
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestMain makes the test binary a root helper of either kind, a client that has one of its own, and one that goes.
func TestMain(m *testing.M) {
	testenv.Main(m, testenv.Children{"helper": helper, "commands": commands, "bystander": bystander, "deserter": deserter})
}
