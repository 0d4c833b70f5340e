package filters_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
)

// corpus returns published files whose names end so, if the oracle is there.
func corpus(f *testing.F, end string, most int) [][]byte {
	f.Helper()
	var texts [][]byte
	for _, dir := range []string{os.Getenv("PRIVHELPER_ORACLE"), "../../shared/oracle"} {
		_ = filepath.WalkDir(filepath.Join(dir, "corpus"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, end) || len(texts) >= most {
				return nil // seeds are a gift: without the oracle there are fewer
			}
			if text, err := os.ReadFile(path); err == nil {
				texts = append(texts, text)
			}
			return nil
		})
	}
	return texts
}

func FuzzParseConfig(f *testing.F) {
	for _, text := range corpus(f, ".conf", 20) {
		f.Add(text)
	}
	f.Add([]byte("[DEFAULT]\nfilters_path=/a,/b\nexec_dirs=/bin\nsemantics=oslo\ncapabilities=CAP_KILL\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, _, err := filters.ParseConfig("r.conf", text, false)
		if err != nil {
			return
		}
		if len(c.FiltersPath) == 0 {
			t.Error("no filters_path")
		}
		if _, _, err := filters.ParseConfig("r.conf", text, true); err == nil {
			if _, warnings, _ := filters.ParseConfig("r.conf", text, false); len(warnings) > 0 {
				t.Errorf("what is not known passes in an own file: %v", warnings)
			}
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	for _, text := range corpus(f, ".filters", 40) {
		f.Add(text)
	}
	f.Add([]byte(neutron(f) + more))
	f.Fuzz(func(t *testing.T, text []byte) {
		source := []filters.Source{{File: "f.filters", Text: text}}
		strict, _, err := filters.ParsePolicy(filters.Config{}, source)
		if err != nil {
			return
		}
		oslo, _, err := filters.ParsePolicy(filters.Config{Semantics: filters.Oslo}, source)
		if err != nil {
			t.Fatalf("strict reads what oslo refuses: %v", err)
		}
		if len(oslo.Rules()) != len(strict.Rules())+1 {
			t.Errorf("%d rules in strict, %d in oslo", len(strict.Rules()), len(oslo.Rules()))
		}
	})
}

// FuzzDecide: strict never accepts what oslo refuses. Arguments are separated by \x01.
func FuzzDecide(f *testing.F) {
	rules := neutron(f) + more
	for _, argv := range []string{"ip\x01netns\x01exec\x01ns\x01/x/dnsmasq", "env\x01PROCESS_TAG=a\x01dnsmasq", "kill\x01-9\x0120", "nice\x01-n\x015\x01alt\x01foo"} {
		f.Add([]byte(rules), argv)
	}
	for _, text := range corpus(f, ".filters", 10) {
		f.Add(text, "ip\x01link")
	}
	m := &fake{links: map[string]string{"/usr/sbin/ip": "/usr/sbin/ip2"}, programs: map[int]string{20: "/usr/sbin/radvd"}}
	f.Fuzz(func(t *testing.T, text []byte, args string) {
		argv := strings.Split(args, "\x01")
		source := []filters.Source{{File: "f.filters", Text: text}}
		cfg := filters.Config{ExecDirs: []string{"/usr/sbin"}}
		strict, _, strictErr := filters.ParsePolicy(cfg, source)
		cfg.Semantics = filters.Oslo
		oslo, _, osloErr := filters.ParsePolicy(cfg, source)
		var o filters.Verdict
		if osloErr == nil {
			o = judge(oslo, m, filters.Request{Argv: argv})
			defer o.Close()
		}
		if strictErr != nil {
			return
		}
		v := judge(strict, m, filters.Request{Argv: argv})
		defer v.Close()
		if v.Outcome == filters.Match && o.Outcome != filters.Match {
			t.Errorf("strict accepts %q by %s, oslo %v %v", argv, v.Rule.Name, o.Near, osloErr)
		}
		if v.Outcome == filters.Match && v.Kill == nil && (len(v.Argv) == 0 || !strings.HasPrefix(v.Path, "/")) {
			t.Errorf("%q: nothing to execute: %+v", argv, v)
		}
	})
}
