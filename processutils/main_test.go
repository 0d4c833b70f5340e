package processutils_test

import (
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.Main(m, testenv.Children{})
}
