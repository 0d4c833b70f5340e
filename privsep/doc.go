// Package privsep is the contract between a service and its root helper: what may be called, with which types, and
// which capabilities the helper keeps for it. Both sides link it; it holds data only and does no I/O.
//
// A contract is a package of its own, imported by the service and by the helper:
//
//	package netpriv
//
//	var (
//		Net     = privsep.NewContext("net", privsep.CAP_NET_ADMIN)
//		SetMTU  = privsep.NewEntrypoint[SetMTUArgs, privsep.Void](Net, "set_mtu")
//		ErrBusy = Net.NewError("link_busy", "the link is busy")
//	)
//
// The helper gives each entrypoint its handler, `daemon.Handle(d, netpriv.SetMTU, setMTU)`; the service calls it,
// `netpriv.SetMTU.Call(ctx, c, args)`. A wrong type on either side does not compile.
//
// The words are oslo.privsep's: a context is oslo's PrivContext, an entrypoint what its decorator of that name marks.
package privsep
