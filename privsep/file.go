package privsep

import "os"

// A File is an open file that crosses the boundary: its descriptor is passed with SCM_RIGHTS, so the receiver shares
// the open file description (its offset, its flags) with the sender.
//
// In the client, Files in arguments stay the caller's, and Files in a reply become the caller's to close. In the helper,
// Files in arguments are closed when the handler returns, unless daemon.Detach took them; a File in a reply becomes the
// daemon's, which closes it once it is sent. The zero File travels as nothing. A receiver must treat it as it treats any
// data of the other side: it may be a pipe, a device, a directory, or opened for reading only.
type File struct{ *os.File }

// Void is the type of nothing, for an entrypoint without arguments or without a reply.
type Void struct{}
