package hostile

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/internal/strict"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// A scenario is one attack. ends is in the helper's last words, "" where it serves on.
type scenario struct {
	name   string
	ends   string
	attack func(*victim)
}

// run is a scenario with everything that is promised of it: the helper ends with one line that says why or serves on
// with nothing left open, it grows by less than 16 MB, and another client's helper answers within 100 ms all the while.
// That last is a promise about privhelper and not about what else runs on this machine: it is judged where
// nothing else does (testenv.Alone).
func run(t *testing.T, scenarios []scenario) {
	other := startBystander(t)
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			v := attack(t)
			other.saw(t)
			s.attack(v)
			if s.ends != "" {
				v.ended(s.ends)
			} else {
				v.lives()
			}
			p := other.saw(t)
			t.Logf("the bystander made %d calls, the slowest took %v", p.Count, p.Slowest)
			if p.Slowest > slowest && testenv.Alone() {
				t.Errorf("another client's helper took %v to answer", p.Slowest)
			}
		})
	}
}

// raw is a frame of these bytes, whatever they are.
func raw(b ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func claim(length uint32) func(*victim) {
	return func(v *victim) { v.send(binary.BigEndian.AppendUint32(nil, length)) }
}

func sends(b ...[]byte) func(*victim) {
	return func(v *victim) { v.send(bytes.Join(b, nil)) }
}

// callHead is a CALL of target.add up to its arguments.
var callHead = append([]byte{0x97, 3, 0, 7, 0xaa}, "target.add\x00\x00"...)

func argument(b ...byte) []byte { return raw(append(bytes.Clone(callHead), b...)...) }

func hangUp(v *victim) { _ = unix.Shutdown(v.fd, unix.SHUT_WR) }

// TestNonsenseEnds: what is no message ends the helper that it was sent to, and nothing else.
func TestNonsenseEnds(t *testing.T) {
	const protocol = "protocol error of the client: "
	scenarios := []scenario{
		{"length 0", protocol + "a frame of 0 bytes", claim(0)},
		{"length one above the cap", protocol + "a frame of 1048577 bytes", claim(1<<20 + 1)},
		{"length 2^31", protocol + "a frame of 2147483648 bytes", claim(1 << 31)},
		{"length 2^32-1", protocol + "a frame of 4294967295 bytes", claim(math.MaxUint32)},
		{"the longest frame, zeros", protocol, sends(raw(make([]byte, 1<<20)...))},
		{"the longest frame, noise", protocol, func(v *victim) {
			noise := rand.NewChaCha8([32]byte{1})
			b := make([]byte, 1<<20)
			_, _ = noise.Read(b)
			v.send(raw(b...))
		}},
		{"a request of HTTP", protocol + "a frame of 1195725856 bytes", sends([]byte("GET / HTTP/1.1\r\n\r\n"))},

		{"no array", protocol, sends(raw(1))},
		{"empty array", protocol, sends(raw(0x90))},
		{"a type that no value has", protocol, sends(raw(0xc1))},
		{"4 Gi elements", protocol, sends(raw(0xdd, 0xff, 0xff, 0xff, 0xff))},
		{"4 Gi pairs", protocol, sends(raw(0xdf, 0xff, 0xff, 0xff, 0xff))},
		{"too few fields", protocol, sends(raw(0x92, 1, 0))},
		{"too many fields", protocol, sends(raw(0x94, 1, 0, 7, 7))},
		{"trailing bytes", protocol, sends(raw(0x93, 1, 0, 7, 0))},
		{"a field of another type", protocol, sends(raw(0x93, 1, 0, 0xa1, 'x'))},
		{"an ext for a field", protocol, sends(raw(0x93, 1, 0, 0xd4, 1, 1))},
		{"type 255", protocol + "it may not send type 255", sends(simple(255, 1))},
		{"type 10", protocol + "it may not send type 10", sends(simple(10, 1))},
		{"a type that fits no byte", protocol, sends(raw(0x93, 0xcd, 1, 0, 0, 1))},

		{"HELLO, its own", protocol + "it may not send HELLO", sends(simple(wire.TypeHello, 1))},
		{"PONG", protocol + "it may not send PONG", sends(simple(wire.TypePong, 1))},
		{"RET to nobody's call", protocol + "it may not send RET", sends(simple(wire.TypeReturn, 1, 1))},
		{"ERR", protocol + "it may not send ERR", sends(raw(0x96, 5, 0, 1, 0xa0, 0, 0xa0))},
		{"LOG, text in root's log", protocol + "it may not send LOG", sends(raw(0x98, 6, 0, 1, 0, 0, 0xa1, '\n', 0, 0x90))},
		{"STARTED", protocol + "it may not send STARTED", sends(raw(0x95, 8, 0, 1, 1, 0xa0))},

		{"an id below 0", protocol, sends(raw(0x93, 7, 0, 0xff))},
		{"an id that is a float", protocol, sends(raw(append([]byte{0x93, 7, 0, 0xcb}, make([]byte, 8)...)...))},
		{"an id used twice", protocol + "call id 7 is used twice", sends(
			callFrame(7, "target.hold", 0, 0, []byte{0x90}), callFrame(7, "target.hold", 0, 0, []byte{0x90}))},
		{"a signal above 64", protocol, sends(simple(wire.TypeSignal, 1, 65))},
		{"a timeout of 2^63", protocol, sends(callFrame(1, "target.add", math.MinInt64, 0, add2))},
		{"a name of 130 bytes", protocol, sends(callFrame(1, string(make([]byte, 130)), 0, 0, add2))},

		{"arguments 33 deep", protocol, sends(argument(append(bytes.Repeat([]byte{0x91}, 33), 1)...))},
		{"arguments a million deep", protocol, sends(argument(bytes.Repeat([]byte{0x91}, 1<<20-100)...))},
		{"arguments that claim 4 Gi elements", protocol, sends(argument(0xdd, 0xff, 0xff, 0xff, 0xff))},
		{"arguments that claim 4 GiB", protocol, sends(argument(0xc6, 0xff, 0xff, 0xff, 0xff))},
		{"claims within each other", protocol, sends(argument(bytes.Repeat([]byte{0xdd, 0, 0, 0xff, 0xff}, 200000)...))},
		{"no arguments", protocol, sends(argument())},
		{"two arguments", protocol, sends(argument(1, 2))},

		{"an end within the length", "unexpected EOF", func(v *victim) { v.send([]byte{0, 0}); hangUp(v) }},
		{"an end within a frame", "unexpected EOF", func(v *victim) { v.send(argument(0x92, 1, 2)[:20]); hangUp(v) }},
		{"an end within the longest frame", "unexpected EOF", func(v *victim) {
			v.send(append(binary.BigEndian.AppendUint32(nil, 1<<20), make([]byte, 1<<20-1)...))
			hangUp(v)
		}},
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		n := r.IntN(1 << 12)
		b := make([]byte, 1+n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		scenarios = append(scenarios, scenario{"noise", protocol, sends(raw(b...))})
	}
	run(t, scenarios)
}

// TestNonsenseAnswered: what is a message, and asks for nonsense, is that call's failure alone.
func TestNonsenseAnswered(t *testing.T) {
	word := []byte{0xa1, 'x', 1}
	for name, c := range map[string]struct {
		entrypoint, code string
		args             []byte
	}{
		"no such entrypoint":          {"target.nothing", "no_entrypoint", add2},
		"a name of another context":   {"other.add", "no_entrypoint", add2},
		"no name":                     {"", "no_entrypoint", add2},
		"a name with a line break":    {"target.add\n", "no_entrypoint", add2},
		"nil":                         {"target.add", "bad_arguments", []byte{0xc0}},
		"another kind":                {"target.add", "bad_arguments", []byte{0xa1, 'x'}},
		"too few":                     {"target.add", "bad_arguments", []byte{0x91, 1}},
		"too many":                    {"target.add", "bad_arguments", []byte{0x93, 1, 2, 3}},
		"a float for an integer":      {"target.add", "bad_arguments", append([]byte{0x92, 1, 0xcb}, make([]byte, 8)...)},
		"above an int64":              {"target.add", "bad_arguments", append([]byte{0x92, 1, 0xcf}, bytes.Repeat([]byte{0xff}, 8)...)},
		"an ext":                      {"target.add", "bad_arguments", []byte{0x92, 1, 0xd4, 1, 1}},
		"a key twice":                 {"target.words", "bad_arguments", append(append([]byte{0x82}, word...), word...)},
		"keys of another kind":        {"target.words", "bad_arguments", []byte{0x81, 1, 1}},
		"a field that is not there":   {"target.look", "bad_arguments", append([]byte{0x81}, word...)},
		"an array for a struct":       {"target.look", "bad_arguments", []byte{0x90}},
		"a descriptor that is not":    {"target.files", "bad_arguments", []byte{0x91, 0}},
		"31 arrays where none belong": {"target.add", "bad_arguments", append(bytes.Repeat([]byte{0x91}, 31), 1)},
		"a million values":            {"target.hold", "too_large", append([]byte{0xdd, 0, 0x0f, 0, 0}, make([]byte, 0xf0000)...)},
		"a gigabyte in a megabyte":    {"target.large", "too_large", append([]byte{0xdd, 0, 0x0f, 0, 0}, bytes.Repeat([]byte{0x80}, 0xf0000)...)},
	} {
		t.Run(name, func(t *testing.T) {
			v := attack(t)
			id := v.call(c.entrypoint, 0, c.args)
			m, others := v.until(id)
			if m.kind != wire.TypeError || m.code != c.code || len(others) != 0 {
				t.Errorf("answered by %v %q, and %v", m.kind, m.code, others)
			}
			v.lives()
		})
	}
}

// TestStrangeAndAllowed: nothing of this is nonsense by the letter of docs/wire.md.
func TestStrangeAndAllowed(t *testing.T) {
	run(t, []scenario{
		{"a call byte by byte", "", func(v *victim) {
			for _, b := range callFrame(1, "target.add", 0, 0, add2) {
				v.send([]byte{b})
			}
			v.answer(wire.TypeReturn)
		}},
		{"64 KiB byte by byte", "", func(v *victim) {
			args := append([]byte{0xc5, 0xff, 0xff}, make([]byte, 0xffff)...)
			for _, b := range callFrame(1, "target.echo", 0, 0, args) {
				v.send([]byte{b})
			}
			v.answer(wire.TypeReturn)
		}},
		{"half a length, and a while later the rest", "", func(v *victim) {
			b := callFrame(1, "target.add", 0, 0, add2)
			v.send(b[:2])
			time.Sleep(20 * time.Millisecond)
			v.send(b[2:])
			v.answer(wire.TypeReturn)
		}},
		{"the greatest id, and 0", "", func(v *victim) {
			for _, id := range []uint64{math.MaxUint64, 0} {
				v.send(callFrame(id, "target.add", 0, 0, add2))
				if m := v.answer(wire.TypeReturn); m.id != id {
					v.t.Errorf("%d answered as %d", id, m.id)
				}
			}
		}},
		{"one id for many calls, one after the other", "", func(v *victim) {
			for range 1000 {
				v.send(callFrame(7, "target.add", 0, 0, add2))
				v.answer(wire.TypeReturn)
			}
		}},
		{"the longest timeout", "", func(v *victim) {
			v.send(callFrame(1, "target.add", math.MaxInt64, 0, add2))
			v.answer(wire.TypeReturn)
		}},
		{"integers as wide as can be", "", func(v *victim) {
			wide := func(n byte) []byte { return []byte{0xcf, 0, 0, 0, 0, 0, 0, 0, n} }
			v.send(raw(bytes.Join([][]byte{{0xdd, 0, 0, 0, 7}, wide(3), wide(0), wide(9), {0xdb, 0, 0, 0, 10}, []byte("target.add"),
				wide(0), wide(0), {0xdc, 0, 2}, wide(1), wide(2)}, nil)...))
			v.answer(wire.TypeReturn)
		}},
		{"100,000 cancels and signals of nobody's calls", "", func(v *victim) {
			for id := range uint64(50_000) {
				v.send(append(simple(wire.TypeCancel, id), simple(wire.TypeSignal, id, 9)...))
			}
		}},
		{"signals to a call that is no command", "", func(v *victim) {
			id := v.call("target.hold", 0, []byte{0x90})
			for range 1000 {
				v.send(simple(wire.TypeSignal, id, 15))
			}
			v.send(simple(wire.TypeCancel, id))
			v.answer(wire.TypeError)
		}},
		{"one call cancelled a thousand times", "", func(v *victim) {
			id := v.call("target.hold", 0, []byte{0x90})
			for range 1000 {
				v.send(simple(wire.TypeCancel, id))
			}
			v.answer(wire.TypeError)
		}},
	})
}

// keys of a map in descending order, which cost a sort: as many as are allowed.
func descendingKeys() []byte {
	const n = 1 << 17
	w := strict.Writer{}
	w.Map(n)
	for i := range uint32(n) {
		key := binary.BigEndian.AppendUint32(nil, n-i)
		w.String(string(key[1:]))
		w.Uint(1)
	}
	return w.Buf
}
