package wire

import (
	"encoding/binary"
	"log/slog"
	"unicode/utf8"

	"github.com/privhelper/privhelper/privsep/internal/strict"
)

// appendFrame writes a message as a frame: four bytes of length, and one array of type, number of descriptors, body.
func appendFrame(dst []byte, m Message, files int) []byte {
	w := strict.Writer{Buf: append(dst, 0, 0, 0, 0)}
	w.Raw(writeHead(&w, m, files))
	binary.BigEndian.PutUint32(w.Buf[len(dst):], uint32(len(w.Buf)-len(dst)-4))
	return w.Buf
}

// writeHead writes a message but for its last value where that is a call's arguments or a reply, which it returns: they
// may be large, and need not be copied.
func writeHead(w *strict.Writer, m Message, files int) (last []byte) {
	head := func(t Type) { // not m.Type(): a call through the interface would move every message to the heap
		w.Array(2 + elements[t])
		w.Uint(uint64(t))
		w.Uint(uint64(files))
	}
	switch m := m.(type) {
	case Hello:
		head(TypeHello)
		m.write(w)
	case Ping:
		head(TypePing)
		w.Uint(m.ID)
	case Pong:
		head(TypePong)
		w.Uint(m.ID)
	case Call:
		head(TypeCall)
		w.Uint(m.ID)
		w.String(m.Entrypoint)
		w.Uint(uint64(m.Timeout))
		w.Uint(uint64(m.Token))
		return m.Args
	case Return:
		head(TypeReturn)
		w.Uint(m.ID)
		return m.Reply
	case Error:
		head(TypeError)
		w.Uint(m.ID)
		w.String(string(m.Code))
		w.Uint(uint64(m.Errno))
		w.String(clip(m.Message))
	case Log:
		head(TypeLog)
		m.write(w)
	case Cancel:
		head(TypeCancel)
		w.Uint(m.ID)
	case Started:
		head(TypeStarted)
		w.Uint(m.ID)
		w.Uint(uint64(m.PID))
		w.String(m.Rule)
	case Signal:
		head(TypeSignal)
		w.Uint(m.ID)
		w.Uint(uint64(m.Signal))
	}
	return nil
}

// clip cuts what a handler wrote to what the other side takes: an error whose text is too long must still answer.
func clip(s string) string {
	const mark = "…"
	if len(s) <= maxText {
		return s
	}
	cut := maxText - len(mark)
	for cut > maxText-len(mark)-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + mark
}

func (m Hello) write(w *strict.Writer) {
	w.Uint(m.Version)
	w.String(m.Context)
	w.Uint(uint64(m.PID))
	w.Uint(uint64(m.UID))
	w.Uint(uint64(m.GID))
	w.Array(len(m.Groups))
	for _, g := range m.Groups {
		w.Uint(uint64(g))
	}
	w.Uint(uint64(m.Keep))
	w.Uint(uint64(m.Bounding))
	w.Bool(m.NoNewPrivs)
	w.Uint(m.MaxFrame)
	w.Uint(m.Slots)
	w.Uint(m.Queue)
	w.String(m.Policy)
	w.String(m.Trees)
	w.Array(len(m.Entrypoints))
	for _, d := range m.Entrypoints {
		w.Array(2)
		w.String(d.Name)
		w.String(d.Fingerprint)
	}
}

// The kinds of a LogAttr's value on the wire.
const (
	attrText = iota
	attrInt
	attrUint
	attrBool
	attrDuration
)

func (m Log) write(w *strict.Writer) {
	w.Uint(m.Call)
	w.Int(int64(m.Level))
	if m.Time.IsZero() {
		w.Int(0)
	} else {
		w.Int(m.Time.UnixNano())
	}
	w.String(clip(m.Message))
	w.Uint(m.Dropped)
	w.Array(len(m.Attrs))
	for _, a := range m.Attrs {
		w.Array(3)
		w.Array(len(a.Path))
		for _, p := range a.Path {
			w.String(p)
		}
		switch a.Value.Kind() {
		case slog.KindInt64:
			w.Uint(attrInt)
			w.Int(a.Value.Int64())
		case slog.KindUint64:
			w.Uint(attrUint)
			w.Uint(a.Value.Uint64())
		case slog.KindBool:
			w.Uint(attrBool)
			w.Bool(a.Value.Bool())
		case slog.KindDuration:
			w.Uint(attrDuration)
			w.Int(int64(a.Value.Duration()))
		default:
			w.Uint(attrText)
			w.String(a.Value.String())
		}
	}
}
