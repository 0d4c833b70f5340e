package wire

import (
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/privhelper/privhelper/privsep"
)

// Version is the protocol's: a client refuses a helper that speaks another.
const Version = 2

// A Type is the first element of every message. Numbers 1 to 6 are oslo.privsep's.
type Type uint8

const (
	TypeHello Type = iota
	TypePing
	TypePong
	TypeCall
	TypeReturn
	TypeError
	TypeLog
	TypeCancel
	TypeStarted
	TypeSignal
)

var typeNames = [...]string{"HELLO", "PING", "PONG", "CALL", "RET", "ERR", "LOG", "CANCEL", "STARTED", "SIGNAL"}

// elements is how many values a message has after its type and its number of descriptors.
var elements = [...]int{TypeHello: 15, TypePing: 1, TypePong: 1, TypeCall: 5, TypeReturn: 2, TypeError: 4, TypeLog: 6,
	TypeCancel: 1, TypeStarted: 3, TypeSignal: 2}

func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// A Message is one of the types below, by value.
type Message interface {
	Type() Type
}

// Hello is the first message of a connection, from the helper: who serves, and within which limits. What the client
// knows of the helper it knows from here.
type Hello struct {
	Version     uint64
	Context     string               // the name of the helper's context
	PID         int                  // the helper's process id, as the helper sees it
	UID, GID    uint32               // its ids
	Groups      []uint32             // its supplementary groups
	Keep        privsep.Capabilities // permitted = effective, in every thread
	Bounding    privsep.Capabilities // what its commands can at most get
	NoNewPrivs  bool                 // no program that it starts gains privileges by its file
	MaxFrame    uint64               // the longest frame it reads, in bytes
	Slots       uint64               // calls that run at once
	Queue       uint64               // calls that wait beyond these
	Policy      string               // hash of the policy; "" without commands
	Trees       string               // how a command's processes are known and ended; "" without commands
	Entrypoints []privsep.Declaration
}

// Ping asks for a Pong with the same number.
type Ping struct{ ID uint64 }

// Pong answers a Ping.
type Pong struct{ ID uint64 }

// Call asks for one entrypoint. Its id is unique among the client's unanswered calls.
type Call struct {
	ID         uint64
	Entrypoint string
	Timeout    time.Duration // 0: none. A duration, because the two sides may not agree on the time of day
	Token      int64         // the fencing token, 0: none; never negative
	Args       []byte        // one msgpack value
}

// Return answers a Call with its reply.
type Return struct {
	ID    uint64
	Reply []byte // one msgpack value
}

// Error answers a Call with its failure.
type Error struct {
	ID      uint64
	Code    privsep.Code
	Errno   syscall.Errno
	Message string
}

// Log is one record of the helper. Call is the call that it belongs to, 0 where there is none.
type Log struct {
	Call    uint64
	Level   slog.Level
	Time    time.Time
	Message string
	Attrs   []LogAttr
	Dropped uint64 // records lost before this one, because the client did not read them
}

// LogAttr is one attribute of a record: the names of its groups and its own, and its value as text. Numbers and
// booleans keep their kind.
type LogAttr struct {
	Path  []string
	Value slog.Value
}

// Cancel ends the context of a call's handler. The answer still comes.
type Cancel struct{ ID uint64 }

// Started says that a call has started a command.
type Started struct {
	ID   uint64
	PID  int
	Rule string
}

// Signal is for the processes of a call's command.
type Signal struct {
	ID     uint64
	Signal syscall.Signal
}

func (Hello) Type() Type   { return TypeHello }
func (Ping) Type() Type    { return TypePing }
func (Pong) Type() Type    { return TypePong }
func (Call) Type() Type    { return TypeCall }
func (Return) Type() Type  { return TypeReturn }
func (Error) Type() Type   { return TypeError }
func (Log) Type() Type     { return TypeLog }
func (Cancel) Type() Type  { return TypeCancel }
func (Started) Type() Type { return TypeStarted }
func (Signal) Type() Type  { return TypeSignal }
