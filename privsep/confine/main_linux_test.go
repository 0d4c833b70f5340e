package confine

import (
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.Main(m, children())
}
