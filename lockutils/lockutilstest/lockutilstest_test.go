package lockutilstest_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/lockutils/lockutilstest"
)

// recorder is a test that may fail without failing ours.
type recorder struct {
	*testing.T
	errors  []string
	cleanup []func()
}

func (r *recorder) Cleanup(f func()) { r.cleanup = append(r.cleanup, f) }

func (r *recorder) Errorf(format string, args ...any) { r.errors = append(r.errors, format) }

func (r *recorder) end() {
	for _, f := range r.cleanup {
		f()
	}
}

func TestNew(t *testing.T) {
	for _, keep := range []bool{false, true} {
		r := &recorder{T: t}
		s := lockutilstest.New(r)
		if _, err := os.Stat(s.Folder); err != nil {
			t.Fatal(err)
		}
		held, err := s.Lock(context.Background(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if !keep {
			if err := held.Unlock(); err != nil {
				t.Fatal(err)
			}
		}
		r.end()
		if failed := strings.Contains(strings.Join(r.errors, " "), "is still"); failed != keep {
			t.Errorf("kept=%v: %q", keep, r.errors)
		}
		if keep {
			if err := held.Unlock(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
