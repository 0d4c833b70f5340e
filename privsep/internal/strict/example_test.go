package strict_test

import (
	"fmt"
	"os"
	"reflect"

	"github.com/privhelper/privhelper/privsep/internal/strict"
)

// File stands for privsep.File here.
type File struct{ *os.File }

type SetMTU struct {
	Link string `msgpack:"link"`
	MTU  uint16 `msgpack:"mtu"`
}

func Example() {
	plan, err := strict.NewPlan(reflect.TypeFor[SetMTU](), reflect.TypeFor[File]())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Fingerprint())

	data, files, err := plan.Append(nil, SetMTU{Link: "eth0", MTU: 1500}, nil)
	fmt.Printf("%x %v\n", data, err)

	var got SetMTU
	fmt.Println(plan.Decode(data, files, &got), got)

	// 70000, written by hand: the library would make it 4464.
	data = []byte("\x81\xa3mtu\xce\x00\x01\x11\x70")
	fmt.Println(plan.Decode(data, nil, &got))
	// Output:
	// {link:str,mtu:u16}
	// 82a46c696e6ba465746830a36d7475cd05dc <nil>
	// <nil> {eth0 1500}
	// msgpack: byte 5: mtu: 70000 does not fit uint16
}
