// Package wire carries messages between a client and its root helper: frames on a stream socket, open files beside
// them. Both sides link it; docs/wire.md is its specification.
//
//	conn, err := wire.NewConn(socket, wire.FromHelper)
//	begun, err := conn.Send(ctx, wire.Call{ID: 1, Entrypoint: "net.set_mtu", Args: args}, files)
//	m, files, err := conn.Receive()
//
// Whatever does not read as a message that the other side may send is an error of type *ProtocolError, and the end of
// the connection: nobody answers nonsense.
package wire
