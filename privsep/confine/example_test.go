package confine_test

import (
	"fmt"
	"log"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
)

// A root helper, before it reads its client's first byte.
func ExampleApply() {
	user, err := confine.LookupUser("neutron-privsep")
	if err != nil {
		log.Fatal(err)
	}
	spec := confine.Spec{Keep: privsep.Caps(privsep.CAP_NET_ADMIN), User: &user, NoNewPrivs: true}
	if err := confine.Apply(spec); err != nil {
		log.Fatal(err)
	}
	if err := confine.Verify(spec); err != nil {
		log.Fatal(err)
	}
}

// A service that was started as root, after it started its helper.
func ExampleBecome() {
	user, err := confine.LookupUser("neutron")
	if err != nil {
		log.Fatal(err)
	}
	if err := confine.Become(user); err != nil {
		log.Fatal(err)
	}
}

func ExampleDescribe() {
	set := privsep.Caps(privsep.CAP_NET_ADMIN)
	helper := confine.Status{
		PID: 4242, TID: 4242,
		UID:       confine.IDs{Real: 998, Effective: 998, Saved: 998, FS: 998},
		GID:       confine.IDs{Real: 998, Effective: 998, Saved: 998, FS: 998},
		Permitted: set, Effective: set, Bounding: set,
		NoNewPrivs: true,
	}
	fmt.Println(confine.Describe(helper))
	// Output: pid 4242, uid 998, gid 998, no supplementary groups, capabilities CAP_NET_ADMIN, bounding set CAP_NET_ADMIN, no_new_privs yes
}
