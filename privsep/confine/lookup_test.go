package confine

import (
	"slices"
	"strings"
	"testing"
)

const passwdText = `root:x:0:0:root:/root:/bin/sh
+@ldap::::::
neutron:x:998:997:Neutron:/var/lib/neutron:/usr/sbin/nologin
neutron:x:0:0:a second line does not count:/:/bin/sh
minus:x:-1:0::/:/bin/sh
noid:x:4294967295:0::/:/bin/sh
wide:x:4294967296:0::/:/bin/sh
hex:x:0x10:0::/:/bin/sh
badgid:x:1:4294967295::/:/bin/sh
short:x:1:1
`

const groupText = `root:x:0:
adm:x:4:syslog,neutron
neutron:x:997:neutron
neutrons:x:5:neutron2,xneutron
broken
bad:x:-1:minister
video:x:44:root,neutron
`

func TestLookupUser(t *testing.T) {
	for _, c := range []struct {
		name   string
		user   User
		refuse string // part of the error's text
	}{
		{name: "root", user: User{Groups: []uint32{0, 44}}},
		{name: "neutron", user: User{UID: 998, GID: 997, Groups: []uint32{997, 4, 44}}},
		{name: "neutr", refuse: "only local users"},
		{name: "", refuse: "no such user"},
		{name: "998", refuse: "no such user"},
		{name: "+@ldap", refuse: `uid ""`},
		{name: "short", refuse: "line 10 has 4 fields"},
		// sudo CVE-2019-14287: an id that means "unchanged".
		{name: "minus", refuse: `uid "-1"`},
		{name: "noid", refuse: `uid "4294967295"`},
		{name: "wide", refuse: `uid "4294967296"`},
		{name: "hex", refuse: `uid "0x10"`},
		{name: "badgid", refuse: `gid "4294967295"`},
	} {
		user, err := lookupUser(c.name, strings.NewReader(passwdText), strings.NewReader(groupText))
		switch {
		case c.refuse == "" && (err != nil || user.UID != c.user.UID || user.GID != c.user.GID || !slices.Equal(user.Groups, c.user.Groups)):
			t.Errorf("%q: %+v, %v; want %+v", c.name, user, err, c.user)
		case c.refuse != "" && (err == nil || !strings.Contains(err.Error(), c.refuse)):
			t.Errorf("%q: %+v, error %v; want %q in it", c.name, user, err, c.refuse)
		}
	}
	if root, err := LookupUser("root"); err != nil || root.UID != 0 || root.GID != 0 {
		t.Errorf("root of this machine: %+v, %v", root, err)
	}
	if _, err := lookupUser("minister", strings.NewReader("minister:x:1:1:::\n"), strings.NewReader(groupText)); err == nil {
		t.Error("a group of gid -1 was left out in silence")
	}
}

func FuzzLookupUser(f *testing.F) {
	f.Add("neutron", passwdText, groupText)
	f.Fuzz(func(t *testing.T, name, passwd, group string) {
		user, err := lookupUser(name, strings.NewReader(passwd), strings.NewReader(group))
		if err == nil && (user.check() != nil || len(user.Groups) == 0 || user.Groups[0] != user.GID) {
			t.Errorf("%q: %+v", name, user)
		}
	})
}
