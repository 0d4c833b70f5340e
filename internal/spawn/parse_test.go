//go:build linux

package spawn

import "testing"

// CVE-2019-6133 and its like: a process chooses its name, and must not choose its parent or start time by it.
func TestParseStat(t *testing.T) {
	rest := " S 7 5 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 4242 9 9\n"
	for _, name := range []string{"sh", "a b", ") R 1 1 1 1 (", "))", "\n"} {
		s, err := parseStat(5, []byte("5 ("+name+")"+rest))
		if want := (procStat{pid: 5, ppid: 7, start: 4242, state: 'S', threads: 3}); err != nil || s != want {
			t.Errorf("%q: %+v, %v", name, s, err)
		}
	}
	for _, bad := range []string{"", "5", "5 (sh", "5 (sh) S 7", "5 (sh) S x 5 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 4242"} {
		if s, err := parseStat(5, []byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, s)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("5 (sh) S 7 5 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 4242 9 9\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseStat(5, b); err == nil && s.pid != 5 {
			t.Error(s)
		}
	})
}

func TestFindCgroup(t *testing.T) {
	const hybrid = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:3 - cgroup2 cgroup2 rw\n"
	for _, test := range []struct{ name, mounts, own, path string }{
		{"hybrid", hybrid, "8:pids:/x\n0::/\n", "/sys/fs/cgroup/unified"},
		{"unified", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/a.slice/b.service\n", "/sys/fs/cgroup/a.slice/b.service"},
		{"a part mounted", "30 23 0:26 /docker/1 /cg rw - cgroup2 cgroup rw\n", "0::/docker/1/x\n", "/cg/x"},
		{"another part mounted", "30 23 0:26 /docker/1 /cg rw - cgroup2 cgroup rw\n", "0::/docker/12\n", ""},
		{"blank in the mount point", "30 23 0:26 / /c\\040g rw - cgroup2 cgroup rw\n", "0::/x\n", "/c g/x"},
		{"what looks like a blank", "30 23 0:26 / /c\\134040\\011\\012 rw - cgroup2 cgroup rw\n", "0::/x\n", "/c\\040\t\n/x"},
		{"outside the namespace", hybrid, "0::/../x\n", ""},
		{"version 1 only", "40 31 0:37 / /sys rw - cgroup cgroup rw\n", "8:pids:/x\n", ""},
		{"not mounted", "", "0::/x\n", ""},
	} {
		if path, err := findCgroup(test.mounts, test.own); path != test.path || (err == nil) != (path != "") {
			t.Errorf("%s: %q, %v", test.name, path, err)
		}
	}
}

// All tags are given out before one comes again, and none that is carried or living comes at all.
func TestTags(t *testing.T) {
	tags := newTags()
	seen := map[tag]bool{}
	alive := func(n tag) bool { return n == 7 }
	_, first := tags.take(alive)
	for i := range tagSpan - 3 {
		n, _ := tags.take(alive)
		if n < 1 || n > tagSpan || n == 7 || seen[n] {
			t.Fatalf("tag %d is the number %d", n, i)
		}
		seen[n] = true
	}
	if tags.mayBeReissued(first) {
		t.Error("the first tag counts as reissued before the lap ends")
	}
	for range 5 {
		tags.take(alive)
	}
	if !tags.mayBeReissued(first) {
		t.Error("the first tag does not count as reissued")
	}
}
