// Package contract is what the demo's service and its root helper agree on. Both sides link it.
package contract

import "github.com/privhelper/privhelper/privsep"

// Demo is the helper's context: what it keeps, and nothing else.
var Demo = privsep.NewContext("demo", privsep.CAP_NET_BIND_SERVICE, privsep.CAP_NET_ADMIN)

// Report says who the helper is.
var Report = privsep.NewEntrypoint[privsep.Void, string](Demo, "report")

// OpenSecret opens the one file that it is for, and takes no path.
var OpenSecret = privsep.NewEntrypoint[privsep.Void, privsep.File](Demo, "open_secret")

// Listen binds a port on the loopback address and replies with the socket. A connection to it, from the network
// namespace that the helper is in, comes along.
var Listen = privsep.NewEntrypoint[ListenArgs, ListenReply](Demo, "listen")

// ListenArgs are the arguments of Listen.
type ListenArgs struct {
	Port uint16 `msgpack:"port"`
}

// ListenReply is what Listen replies.
type ListenReply struct {
	Listener privsep.File `msgpack:"listener"`
	Dialled  privsep.File `msgpack:"dialled"`
}

// Crash ends the helper in the midst of a call, for the demo's last step.
var Crash = privsep.NewEntrypoint[privsep.Void, privsep.Void](Demo, "crash")

// ErrPortTaken is what Listen returns where somebody else has the port.
var ErrPortTaken = Demo.NewError("port_taken", "somebody else listens on the port")
