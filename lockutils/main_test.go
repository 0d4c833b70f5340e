package lockutils_test

import (
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.Main(m, testenv.Children{
		"count":     countChild,
		"hold":      holdChild,
		"others":    othersChild,
		"spin":      spinChild,
		"handover":  handoverChild,
		"hot":       hotChild,
		"cancelled": cancelledChild,
		"hold two":  holdTwoChild,
		"order":     orderChild,
	})
}
