//go:build linux

package trust_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/internal/trust"
)

func TestMain(m *testing.M) {
	testenv.Main(m, testenv.Children{"open": openChild, "mapped": mappedChild})
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
	for _, test := range []struct {
		handed string
		want   string
	}{{"/etc/passwd", "false\ntrue\n"}, {"/etc/group", "false\nfalse\n"}, {"/etc", "false\nfalse\n"}} {
		pinned, err := trust.Pin(test.handed, trust.Rules{})
		if err != nil {
			t.Fatal(err)
		}
		cmd := testenv.Child(t, "open", "/etc/passwd")
		testenv.InUserNamespace(t, cmd)
		cmd.ExtraFiles = []*os.File{pinned}
		if out := string(testenv.Output(t, cmd)); out != test.want {
			t.Errorf("handed %s: %q, want %q", test.handed, out, test.want)
		}
		_ = pinned.Close()
	}
}

// TestPin: a launcher hands in only what root, or the launcher itself, can have written.
func TestPin(t *testing.T) {
	dir := tree(t)
	chmod("etc/sub", 0o1777)(t, dir)
	for _, name := range []string{"prog", "policy"} {
		must(t, os.Link(dir+"/etc/"+name, dir+"/etc/sub/linked-"+name))
	}
	must(t, os.WriteFile(dir+"/etc/own", nil, 0o644))
	must(t, os.Chown(dir+"/etc/own", 65534, 65534))
	for _, test := range []struct {
		name  string
		rules trust.Rules
		want  string
	}{
		{"etc/prog", trust.Rules{}, ""},
		{"etc/policy", trust.Rules{}, ""},
		{"etc", trust.Rules{}, ""},
		{"etc/sub", trust.Rules{}, "is writable by everybody"},
		{"etc/sub/linked-prog", trust.Rules{}, ""}, // below a sticky folder: a program may be
		{"etc/sub/linked-policy", trust.Rules{}, "is writable by everybody"},
		{"etc/own", trust.Rules{}, "belongs to"},
		{"etc/own", trust.Rules{Owners: []uint32{65534}}, ""},
		{"etc/none", trust.Rules{}, "no such file"},
	} {
		f, err := trust.Pin(dir+"/"+test.name, test.rules)
		check(t, err, test.want)
		if err == nil {
			if _, err := f.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s can be read by its descriptor", test.name)
			}
			_ = f.Close()
		}
	}
}

// mappedChild opens files in a user namespace that maps two users: 0, who is its root, and 1.
func mappedChild(args []string) error {
	for _, path := range args {
		_, err := trust.Open(path, trust.Rules{})
		fmt.Println(err)
	}
	return nil
}

// TestMappedOwners: in a namespace that maps users, as a container's, those it maps are told apart. Its root's files are
// root's, another's are not, and the owner whom it does not map is nobody (the folder at the top is such a one's in a
// second run).
func TestMappedOwners(t *testing.T) {
	dir := tree(t)
	must(t, os.WriteFile(dir+"/etc/other", nil, 0o644))
	must(t, os.Chown(dir+"/etc/other", 4321, 0))
	must(t, os.WriteFile(dir+"/etc/foreign", nil, 0o644))
	must(t, os.Chown(dir+"/etc/foreign", 4322, 0))
	files := []string{dir + "/etc/policy", dir + "/etc/other", dir + "/etc/foreign"}
	for _, test := range []struct {
		root, other int
		want        []string
	}{
		{0, 4321, []string{"<nil>", "etc/other belongs to", "etc/foreign was not handed in"}},
		{4321, 4323, []string{"etc/policy was not handed in", "etc/other was not handed in", "etc/foreign was not handed in"}},
	} {
		cmd := testenv.Child(t, "mapped", files...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, Credential: &syscall.Credential{},
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: test.root, Size: 1}, {ContainerID: 1, HostID: test.other, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}}
		lines := strings.Split(string(testenv.Output(t, cmd)), "\n")
		for i, want := range test.want {
			if !strings.Contains(lines[i], want) {
				t.Errorf("root is uid %d, %s: %s, want %s", test.root, files[i], lines[i], want)
			}
		}
	}
}
