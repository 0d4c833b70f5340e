// Package contract is what the helper and its callers agree on in the comparison: entrypoints that do nothing.
package contract

import "github.com/privhelper/privhelper/privsep"

// NoopArgs are as much as an ordinary call says.
type NoopArgs struct {
	Text string `msgpack:"text"`
}

// The context keeps as many capabilities as the Python peer's does.
var (
	Bench = privsep.NewContext("bench", privsep.CAP_SYS_ADMIN, privsep.CAP_NET_ADMIN)
	Noop  = privsep.NewEntrypoint[NoopArgs, NoopArgs](Bench, "noop")         // answers what it was asked
	Wait  = privsep.NewEntrypoint[privsep.Void, privsep.Void](Bench, "wait") // answers when its context has ended
)
