package wire

// The limits of a frame. They bound what one side can make the other hold; larger data travels as a File.
const (
	MaxFromClient = 1 << 20  // bytes of a frame from the client
	MaxFromHelper = 16 << 20 // bytes of a frame from the helper
	MaxFiles      = 253      // descriptors of a frame: SCM_MAX_FD of the kernel (unix(7))

	maxName        = 129     // "context.entrypoint", each of at most 64
	maxText        = 1 << 20 // an error's or a record's text
	maxAttrs       = 256     // attributes of a record
	maxPath        = 16      // groups of an attribute
	maxEntrypoints = 4096
	maxGroups      = 1 << 16 // NGROUPS_MAX
)

// A Side says who sends on a connection, and so which messages and lengths are allowed.
type Side bool

const (
	FromClient Side = false
	FromHelper Side = true
)

func (s Side) String() string {
	if s == FromHelper {
		return "the helper"
	}
	return "the client"
}

// MaxFrame is the longest frame that this side may send.
func (s Side) MaxFrame() int {
	if s == FromHelper {
		return MaxFromHelper
	}
	return MaxFromClient
}

// may reports whether this side may send messages of type t, and whether they may bring descriptors.
func (s Side) may(t Type) (allowed, files bool) {
	switch t {
	case TypeCall:
		return s == FromClient, true
	case TypeReturn:
		return s == FromHelper, true
	case TypePing, TypeCancel, TypeSignal:
		return s == FromClient, false
	case TypeHello, TypePong, TypeError, TypeLog, TypeStarted:
		return s == FromHelper, false
	}
	return false, false
}
