//go:build linux

package main_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/privsep/client"
)

// TestRefusalsTellNothing asks a daemon about pairs of which a client cannot know which is which: what is there and what
// is not, in folders that it may not enter. Both refusals read the same, but for the client's own argument, and neither
// says where policy lies.
func TestRefusalsTellNothing(t *testing.T) {
	secret, open := filepath.Join(writable(t), "secret"), writable(t)
	if err := os.Mkdir(secret, 0o700); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	there, missing := filepath.Join(secret, "there"), filepath.Join(secret, "missing")
	must(os.WriteFile(there, []byte("secret"), 0o700))
	must(os.Symlink(there, filepath.Join(open, "one")))
	must(os.Symlink(missing, filepath.Join(open, "two")))
	must(os.Symlink(there, filepath.Join(secret, "link")))
	must(os.WriteFile(filepath.Join(secret, "untrusted"), nil, 0o777))
	must(os.Chmod(filepath.Join(secret, "untrusted"), 0o777))
	config := policy(t, "path: PathFilter, wc, root, "+open+"\n"+
		"file-gone: ReadFileFilter, "+missing+"\nfile-link: ReadFileFilter, "+filepath.Join(secret, "link")+"\n"+
		"file-folder: ReadFileFilter, "+secret+"\n"+
		"program-gone: CommandFilter, "+missing+", root\nprogram-untrusted: CommandFilter, "+filepath.Join(secret, "untrusted")+", root\n"+
		"kill: KillFilter, root, /usr/bin/no-such-program, -9\n")
	c, err := client.Start(t.Context(), client.Config{Launcher: &client.Prefix{
		Command: []string{"env"}, Path: binary(), Args: []string{"daemon", "--config", config}}})
	must(err)
	defer c.Close()

	gone := strconv.Itoa(1<<22 - 1) // above every pid_max that is in use
	for name, pair := range map[string][2][]string{
		"a path that leads out":   {{"wc", open + "/../" + filepath.Base(filepath.Dir(secret)) + "/secret/there"}, {"wc", open + "/../" + filepath.Base(filepath.Dir(secret)) + "/secret/missing"}},
		"a path outside":          {{"wc", there}, {"wc", missing}},
		"a link":                  {{"wc", filepath.Join(open, "one")}, {"wc", filepath.Join(open, "two")}},
		"a file that is a link":   {{"cat", missing}, {"cat", filepath.Join(secret, "link")}},
		"a file that is a folder": {{"cat", missing}, {"cat", secret}},
		"a program":               {{missing}, {filepath.Join(secret, "untrusted")}},
		"a process":               {{"kill", "-9", strconv.Itoa(os.Getpid())}, {"kill", "-9", gone}},
	} {
		t.Run(name, func(t *testing.T) {
			var said [2]string
			for i, argv := range pair {
				err := c.Command(argv[0], argv[1:]...).Run()
				if err == nil {
					t.Fatalf("%q ran", argv)
				}
				// The longest first: what a client has named may stand in the text, and so may the name of its rule.
				own := []string{argv[len(argv)-1], "it"}
				for _, rule := range []string{"file-gone", "file-link", "file-folder", "program-gone", "program-untrusted"} {
					own = append(own, rule, "rule")
				}
				said[i] = strings.NewReplacer(own...).Replace(err.Error())
				for _, place := range []string{filepath.Dir(config), ".filters", "secret"} {
					if strings.Contains(said[i], place) {
						t.Errorf("%q: the refusal names %q: %s", argv, place, err)
					}
				}
			}
			if said[0] != said[1] {
				t.Errorf("the refusals differ:\n%s\n%s", said[0], said[1])
			}
		})
	}
}
