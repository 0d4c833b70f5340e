package hostile

import (
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestMain makes the test binary a root helper, a client that has one of its own, and one that goes.
func TestMain(m *testing.M) {
	testenv.Main(m, testenv.Children{"helper": helper, "bystander": bystander, "deserter": deserter})
}
