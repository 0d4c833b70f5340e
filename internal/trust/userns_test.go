//go:build linux

package trust_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/internal/trust"
)

func TestMain(m *testing.M) {
	testenv.Main(m, testenv.Children{"open": openChild})
}

// openChild opens a file in a user namespace: alone, and with descriptor 3 as what the launcher handed in.
func openChild(args []string) error {
	for _, rules := range []trust.Rules{{}, {Handed: []*os.File{os.NewFile(3, "handed")}}} {
		f, err := trust.Open(args[0], rules)
		if err == nil {
			_ = f.Close()
		}
		fmt.Println(err == nil)
	}
	return nil
}

// TestUserNamespace: inside, root's files look like everybody's; only what the launcher opened before is trusted.
func TestUserNamespace(t *testing.T) {
	const file = "/etc/passwd"
	other, err := trust.Pin("/etc/group", trust.Rules{Untrusted: os.Geteuid() != 0}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	pinned, err := trust.Pin(file, trust.Rules{Untrusted: os.Geteuid() != 0}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer pinned.Close()
	for _, test := range []struct {
		handed *os.File
		want   string
	}{{pinned, "false\ntrue\n"}, {other, "false\nfalse\n"}} {
		cmd := testenv.Child(t, "open", file)
		testenv.InUserNamespace(t, cmd)
		cmd.ExtraFiles = []*os.File{test.handed}
		if out := string(testenv.Output(t, cmd)); out != test.want {
			t.Errorf("handed %s: %q, want %q", test.handed.Name(), out, test.want)
		}
	}
}
