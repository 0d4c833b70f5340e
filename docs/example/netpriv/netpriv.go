// Package netpriv is the contract of README's service and its root helper: both link it, and nothing of each other.
package netpriv

import "github.com/privhelper/privhelper/privsep"

// SetMTUArgs are what a caller of SetMTU says.
type SetMTUArgs struct {
	Link string `msgpack:"link"`
	MTU  int    `msgpack:"mtu"`
}

var (
	Net    = privsep.NewContext("net", privsep.CAP_NET_ADMIN) // exactly this, in every thread
	SetMTU = privsep.NewEntrypoint[SetMTUArgs, privsep.Void](Net, "set_mtu")
)
