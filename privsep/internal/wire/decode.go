package wire

import (
	"fmt"
	"log/slog"
	"math"
	"syscall"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/internal/strict"
)

// fields reads a body's elements one by one and keeps the first error, so that a message reads as its list of fields.
type fields struct {
	r     strict.Reader
	count int // the elements that the message's array says it has
	err   error
}

func take[T any](f *fields, read func() (T, error)) (v T) {
	if f.err == nil {
		v, f.err = read()
	}
	return v
}

func (f *fields) uint(max uint64) uint64 {
	return take(f, func() (uint64, error) { return f.r.Uint(max) })
}
func (f *fields) id() uint64 { return f.uint(math.MaxUint64) }
func (f *fields) int() int64 { return take(f, f.r.Int) }
func (f *fields) int32() int32 { // slog.Level is as wide as the machine's int
	n := f.int()
	if f.err == nil && n != int64(int32(n)) {
		f.err = fmt.Errorf("%d does not fit 32 bits", n)
	}
	return int32(n)
}

// time reads nanoseconds since 1970; 0 is a record without a time.
func (f *fields) time() (t time.Time) {
	if ns := f.int(); ns != 0 {
		t = time.Unix(0, ns)
	}
	return t
}
func (f *fields) bool() bool { return take(f, f.r.Bool) }
func (f *fields) text(max int) string {
	return take(f, func() (string, error) { return f.r.String(max) })
}
func (f *fields) value() []byte { return take(f, f.r.Value) }
func (f *fields) array(max int) (n int) {
	n = take(f, f.r.Array)
	if f.err == nil && n > max {
		f.err = tooMany(n, max)
		return 0
	}
	return n
}

// exactly begins an array of n elements: with fewer, those after it would be read in their place.
func (f *fields) exactly(n int) {
	if got := take(f, f.r.Array); f.err == nil && got != n {
		f.err = fmt.Errorf("an array of %d where one of %d belongs", got, n)
	}
}

// open reads the beginning of a payload. How many values a call's arguments or a reply hold is for the entrypoint's plan
// to refuse, as the failure of one call; here it would end them all.
func open(data []byte, from Side) (f fields, t Type, files int, err error) {
	f.r = *strict.NewReader(data).Within(strict.Limits{Elements: len(data)})
	f.count = f.array(32)
	t = Type(f.uint(math.MaxUint8))
	files = int(f.uint(MaxFiles))
	if f.err != nil {
		return f, t, 0, protocolError(from, "%v", f.err)
	}
	allowed, withFiles := from.may(t)
	if !allowed {
		return f, t, 0, protocolError(from, "it may not send %s", t)
	}
	if files > 0 && !withFiles {
		return f, t, 0, protocolError(from, "%s with descriptors", t)
	}
	return f, t, files, nil
}

// close says whether the payload was what its type wants, and no more.
func (f *fields) close(t Type, from Side) error {
	if f.err == nil {
		f.err = f.r.End()
	}
	if f.err != nil {
		return protocolError(from, "%s: %v", t, f.err)
	}
	if want := 2 + elements[t]; f.count != want {
		return protocolError(from, "%s of %d elements, %d belong here", t, f.count, want)
	}
	return nil
}

// parse reads the payload of one frame. Parts of it, a call's arguments and a reply, are parts of data.
func parse(data []byte, from Side) (m Message, files int, err error) {
	f, t, files, err := open(data, from)
	if err != nil {
		return nil, 0, err
	}
	switch t {
	case TypeHello:
		m = readHello(&f)
	case TypePing:
		m = Ping{ID: f.id()}
	case TypePong:
		m = Pong{ID: f.id()}
	case TypeCall:
		m = readCall(&f)
	case TypeReturn:
		m = readReturn(&f)
	case TypeError:
		m = Error{ID: f.id(), Code: privsep.Code(f.text(maxName)), Errno: syscall.Errno(f.uint(math.MaxInt32)), Message: f.text(maxText)}
	case TypeLog:
		m = readLog(&f)
	case TypeCancel:
		m = Cancel{ID: f.id()}
	case TypeStarted:
		m = Started{ID: f.id(), PID: int(f.uint(math.MaxInt32)), Rule: f.text(maxText)}
	case TypeSignal:
		m = Signal{ID: f.id(), Signal: syscall.Signal(f.uint(64))}
	}
	if err := f.close(t, from); err != nil {
		return nil, 0, err
	}
	return m, files, nil
}

// check is parse for who wants no message: of the two that are sent all the time it makes none.
func check(data []byte, from Side) error {
	f, t, _, err := open(data, from)
	if err != nil {
		return err
	}
	switch t {
	case TypeCall:
		readCall(&f)
	case TypeReturn:
		readReturn(&f)
	default:
		_, _, err := parse(data, from)
		return err
	}
	return f.close(t, from)
}

// oneValue holds the last value of a message, which parse has not seen, against what parse wants of it.
func oneValue(b []byte, from Side) error {
	f := &fields{r: *strict.NewReader(b).Within(strict.Limits{Elements: len(b)})}
	f.value()
	if f.err == nil {
		f.err = f.r.End()
	}
	if f.err != nil {
		return protocolError(from, "%v", f.err)
	}
	return nil
}

func readCall(f *fields) Call {
	return Call{ID: f.id(), Entrypoint: f.text(maxName), Timeout: time.Duration(f.uint(math.MaxInt64)),
		Token: int64(f.uint(math.MaxInt64)), Args: f.value()}
}

func readReturn(f *fields) Return { return Return{ID: f.id(), Reply: f.value()} }

func readHello(f *fields) Hello {
	m := Hello{Version: f.uint(math.MaxUint32), Context: f.text(maxName), PID: int(f.uint(math.MaxInt32)),
		UID: uint32(f.uint(math.MaxUint32)), GID: uint32(f.uint(math.MaxUint32))}
	for range f.array(maxGroups) {
		m.Groups = append(m.Groups, uint32(f.uint(math.MaxUint32)))
	}
	m.Keep = privsep.Capabilities(f.uint(math.MaxUint64))
	m.Bounding = privsep.Capabilities(f.uint(math.MaxUint64))
	m.NoNewPrivs = f.bool()
	m.MaxFrame, m.Slots, m.Queue = f.uint(math.MaxUint32), f.uint(math.MaxUint32), f.uint(math.MaxUint32)
	m.Policy, m.Trees = f.text(maxText), f.text(maxText)
	for range f.array(maxEntrypoints) {
		f.exactly(2)
		m.Entrypoints = append(m.Entrypoints, privsep.Declaration{Name: f.text(maxName), Fingerprint: f.text(maxText)})
	}
	return m
}

func readLog(f *fields) Log {
	m := Log{Call: f.uint(math.MaxUint64), Level: slog.Level(f.int32()), Time: f.time(),
		Message: f.text(maxText), Dropped: f.uint(math.MaxUint64)}
	for range f.array(maxAttrs) {
		f.exactly(3)
		var a LogAttr
		for range f.array(maxPath) {
			a.Path = append(a.Path, f.text(maxText))
		}
		switch kind := f.uint(attrDuration); kind {
		case attrInt:
			a.Value = slog.Int64Value(f.int())
		case attrUint:
			a.Value = slog.Uint64Value(f.uint(math.MaxUint64))
		case attrBool:
			a.Value = slog.BoolValue(f.bool())
		case attrDuration:
			a.Value = slog.DurationValue(time.Duration(f.int()))
		default:
			a.Value = slog.StringValue(f.text(maxText))
		}
		m.Attrs = append(m.Attrs, a)
	}
	return m
}
