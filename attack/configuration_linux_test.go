package attack

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"github.com/privhelper/privhelper/internal/testenv"
)

// config is an attack on what is read before anything is decided: with it nothing runs, on no road, and what is wrong is
// said on one line that names the file.
func config(name, how, file string, change func(w *world)) attack {
	return attack{name, how, 8, nil, func(w *world) {
		w.policy("", "tool: CommandFilter, tool, root\n")
		w.program("@W@/bin/tool")
		for _, road := range roads {
			if r := road.take(w, "", []string{"tool"}); !r.ran || r.canary == "" {
				w.t.Fatalf("%s: the harmless twin: %v", road.name, r)
			}
		}
		before := w.decisions()
		change(w)
		for _, road := range roads {
			r := road.take(w, "", []string{"tool"})
			if r.code != 97 || r.ran || r.canary != "" {
				w.t.Errorf("%s: came through: %v", road.name, r)
			}
			if said := w.text(file); !strings.Contains(r.errors, said) || road.name == "run" && strings.Count(r.errors, "\n") != 1 {
				w.t.Errorf("%s: the error is not one line that names %s: %q", road.name, said, r.errors)
			}
		}
		if n := w.decisions() - before; n != 0 {
			w.t.Errorf("%d decisions were made", n)
		}
	}}
}

const (
	theConfig  = "@W@/privhelper.conf"
	thePolicy  = "@W@/f.d/one.filters"
	theFolder  = "@W@/f.d"
	goodPolicy = "[Filters]\ntool: CommandFilter, tool, root\n"
)

func mode(path string, mode os.FileMode) func(*world) {
	return func(w *world) { w.must(os.Chmod(w.text(path), mode)) }
}

func owner(path string, uid, gid int) func(*world) {
	return func(w *world) { w.must(os.Chown(w.text(path), uid, gid)) }
}

// instead puts something else in the place of a file.
func instead(path string, what func(w *world, path string) error) func(*world) {
	return func(w *world) {
		w.must(os.Remove(w.text(path)))
		w.must(what(w, w.text(path)))
	}
}

// text is instead for another text.
func text(path, content string) func(*world) {
	return func(w *world) { w.file(path, content) }
}

// moved puts the policy's folder elsewhere, and a link in its place.
func moved(to string) func(*world) {
	return func(w *world) {
		w.must(os.Rename(w.text(theFolder), w.text(to)))
		w.must(os.Symlink(w.text(to), w.text(theFolder)))
	}
}

func fifo(_ *world, path string) error { return syscall.Mkfifo(path, 0o644) }
func zero(_ *world, path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o644, 1<<8|5) }
func huge(_ *world, path string) error {
	return errors.Join(os.WriteFile(path, []byte(goodPolicy), 0o644), os.Truncate(path, 1<<40))
}
func dir(_ *world, path string) error { return os.Mkdir(path, 0o755) }

var configurationAttacks = []attack{
	config("config-for-others", "privhelper.conf writable by others", theConfig, mode(theConfig, 0o646)),
	config("config-for-group", "writable by a group", theConfig, func(w *world) { owner(theConfig, 0, 4)(w); mode(theConfig, 0o664)(w) }),
	config("config-of-nobody", "of another owner", theConfig, owner(theConfig, testenv.Nobody, 0)),
	config("policy-for-others", "a policy file writable by others", thePolicy, mode(thePolicy, 0o646)),
	config("policy-of-nobody", "a policy file of another owner", thePolicy, owner(thePolicy, testenv.Nobody, 0)),
	config("folder-for-others", "the policy's folder writable by others", theFolder, mode(theFolder, 0o777)),
	config("folder-sticky", "the policy's folder sticky and writable by others", theFolder, mode(theFolder, 0o777|os.ModeSticky)),
	config("folder-of-nobody", "the policy's folder of another owner", theFolder, owner(theFolder, testenv.Nobody, 0)),
	config("folder-above", "a folder above all writable by others", "@W@", mode("@W@", 0o777)),
	config("link-in-evil", "the policy's folder behind a link, in a folder that others write", "@E@", moved("@E@/f.d")),
	config("config-link-evil", "privhelper.conf a link into a folder that others write", "@E@", instead(theConfig, func(w *world, path string) error {
		w.file("@E@/c", "[DEFAULT]\nfilters_path=@W@/f.d\n")
		return os.Symlink(w.text("@E@/c"), path)
	})),
	config("config-fifo", "privhelper.conf a FIFO", theConfig, instead(theConfig, fifo)),
	config("policy-fifo", "a policy file that is a FIFO", thePolicy, instead(thePolicy, fifo)),
	config("policy-device", "a policy file that is /dev/zero", thePolicy, instead(thePolicy, zero)),
	config("policy-huge", "a policy file of a terabyte", thePolicy, instead(thePolicy, huge)),
	config("policy-folder", "a folder named one.filters", thePolicy, instead(thePolicy, dir)),
	config("config-device", "privhelper.conf is /dev/zero", theConfig, instead(theConfig, zero)),
	config("policy-utf8", "bytes that are no UTF-8", thePolicy+":3", text(thePolicy, goodPolicy+"x\xff: CommandFilter, tool, root\n")),
	config("policy-bom", "UTF-16 with a byte order mark", thePolicy, text(thePolicy, "\xff\xfe[\x00F\x00i\x00l\x00t\x00e\x00r\x00s\x00]\x00")),
	config("policy-user-unknown", "a rule of a user that there is not", thePolicy+":3", text(thePolicy, goodPolicy+"x: CommandFilter, tool, no-such-user\n")),
	config("policy-user-minus-one", "run_as -1 (CVE-2019-14287)", thePolicy+":3", text(thePolicy, goodPolicy+"x: CommandFilter, tool, -1\n")),
	config("policy-user-4294967295", "run_as 4294967295:4294967295", thePolicy+":3", text(thePolicy, goodPolicy+"x: CommandFilter, tool, 4294967295:4294967295\n")),
	config("policy-class-unknown", "a class that there is not", thePolicy+":3", text(thePolicy, goodPolicy+"x: CommandFiltre, tool, root\n")),
	config("policy-short-line", "a rule with too few fields", thePolicy+":3", text(thePolicy, goodPolicy+"x: CommandFilter\n")),
	config("policy-section-key", "a key of a rule's section that is misspelt", thePolicy+":4", text(thePolicy, goodPolicy+"[tool]\ncapabilites = \n")),
	config("policy-section-nobodys", "a section of a rule that there is not, narrowing nothing", thePolicy+":3", text(thePolicy, goodPolicy+"[toool]\ntimeout = 1s\n")),
	config("policy-loader-variable", "LD_PRELOAD in a rule's env", thePolicy+":4", text(thePolicy, goodPolicy+"[tool]\nenv = LD_PRELOAD\n")),
	config("config-option-unknown", "an option that there is not", theConfig, text(theConfig, "[DEFAULT]\nfilters_path=@W@/f.d\nsemantic = strict\n")),
	config("config-relative", "a relative filters_path", theConfig, text(theConfig, "[DEFAULT]\nfilters_path=f.d\n")),
	config("config-empty", "an empty privhelper.conf", theConfig, text(theConfig, "")),
	config("config-log-for-others", "an audit_file that others may write", "@E@", func(w *world) {
		w.file(theConfig, "[DEFAULT]\nfilters_path=@W@/f.d\naudit_file=@E@/audit.log\n")
	}),
	{"policy-other-names", "files beside one.filters, by names that editors and packages leave", 8, &ask{rules: "tool: CommandFilter, tool, root\n", oslo: true, files: func(w *world) {
		tools("@W@/bin/tool", "@W@/bin/other")(w)
		for _, name := range []string{"one.filters~", ".one.filters.swp", "one.filters.dpkg-old", "x", "#one.filters#", ".filters"} {
			w.file("@W@/f.d/"+name, "[Filters]\nother: CommandFilter, other, root\n")
		}
	}, harmless: []string{"tool"}, hostile: []string{"other"}}, nil},
}
