package hostile

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// calls are n CALLs with ids from 1 up.
func calls(n int, entrypoint string, timeout time.Duration, args []byte) []byte {
	var all []byte
	for id := range uint64(n) {
		all = append(all, callFrame(id+1, entrypoint, timeout, 0, args)...)
	}
	return all
}

func binary16(n int) []byte {
	return append([]byte{0xc6, 0, byte(n >> 16), byte(n >> 8), byte(n)}, make([]byte, n)...)
}

func array32(n int, elem byte) []byte {
	return append([]byte{0xdd, 0, byte(n >> 16), byte(n >> 8), byte(n)}, bytes.Repeat([]byte{elem}, n)...)
}

// TestFlood: more of what is allowed than there is room for. Every call gets its one answer where the client reads.
func TestFlood(t *testing.T) {
	run(t, []scenario{
		{"10,000 calls at once", "", func(v *victim) { flood(v, 10_000, calls(10_000, "target.add", 0, add2)) }},
		{"10,000 calls that wait, cancelled in disorder", "", func(v *victim) {
			b := calls(10_000, "target.hold", 0, []byte{0x90})
			for _, id := range rand.Perm(10_000) {
				b = append(b, simple(wire.TypeCancel, uint64(id+1))...)
			}
			flood(v, 10_000, b)
		}},
		{"40,000 calls that wait: more than the queue holds", "", func(v *victim) {
			b := calls(40_000, "target.hold", 0, []byte{0x90})
			for id := range uint64(40_000) {
				b = append(b, simple(wire.TypeCancel, id+1)...)
			}
			flood(v, 40_000, b)
		}},
		{"10,000 calls whose deadline has passed", "", func(v *victim) {
			flood(v, 10_000, calls(10_000, "target.hold", 1, []byte{0x90}))
		}},
		{"10,000 calls whose deadlines pass together", "", func(v *victim) {
			flood(v, 10_000, calls(10_000, "target.hold", 200*time.Millisecond, []byte{0x90}))
		}},
		{"10,000 calls of an entrypoint that is not there", "", func(v *victim) { flood(v, 10_000, calls(10_000, "target.no", 0, add2)) }},
		{"100 calls of a megabyte", "", func(v *victim) { flood(v, 100, calls(100, "target.echo", 0, binary16(1<<20-100))) }},
		{"100 calls that keep a megabyte", "", func(v *victim) { cancelled(v, 100, "target.files", binary16(1<<20-100)) }},
		{"100 calls that become two megabytes each", "", func(v *victim) { cancelled(v, 100, "target.hold", array32(1<<18-2, 1)) }},
		{"100 calls of 7 KiB that become 7 MiB each", "", func(v *victim) { cancelled(v, 100, "target.large", array32(7<<10, 0x80)) }},
		{"1,000 calls of 1 KiB that become 1 MiB each", "", func(v *victim) { cancelled(v, 1000, "target.large", array32(1<<10, 0x80)) }},
		{"100 maps to be sorted", "", func(v *victim) { flood(v, 100, calls(100, "target.words", 0, descendingKeys())) }},
		{"100 answers of 4 MiB", "", func(v *victim) { flood(v, 100, calls(100, "target.endless", 0, []byte{0x80})) }},
	})
}

// flood sends b while it reads n answers.
func flood(v *victim, n int, b []byte) {
	v.t.Helper()
	sent := make(chan struct{})
	go func() { defer close(sent); v.send(b) }()
	seen, codes := map[uint64]bool{}, map[string]int{}
	for len(seen) < n {
		m := v.receive()
		switch {
		case m.err != nil:
			v.t.Fatalf("%v after %d answers: %s", m.err, len(seen), v.complaint())
		case m.kind != wire.TypeReturn && m.kind != wire.TypeError:
		case seen[m.id] || m.id == 0 || m.id > uint64(n):
			v.t.Fatalf("a second answer to call %d", m.id)
		default:
			seen[m.id] = true
			codes[m.code]++
		}
	}
	<-sent
	v.t.Logf("answers by code: %v", codes)
}

// cancelled sends calls that keep their arguments, and cancels them once the helper holds as many as it takes.
func cancelled(v *victim, n int, entrypoint string, args []byte) {
	v.t.Helper()
	b := calls(n, entrypoint, 0, args)
	for id := range uint64(n) {
		b = append(b, simple(wire.TypeCancel, id+1)...)
	}
	flood(v, n, b)
}

// TestNeverReads: a client that asks and reads no answer. The helper stops to read or drops what may be dropped; it
// keeps no more than it may, and when the client reads again it is as it was.
func TestNeverReads(t *testing.T) {
	run(t, []scenario{
		{"pings", "", deaf(bytes.Repeat(simple(wire.TypePing, 1), 100_000))},
		{"calls", "", deaf(calls(30_000, "target.add", 0, add2))},
		{"calls of what is not there", "", deaf(calls(30_000, "target.no", 0, add2))},
		{"calls whose deadline passes", "", deaf(calls(30_000, "target.hold", 1, []byte{0x90}))},
		{"calls whose deadline passes while they wait", "", deaf(calls(30_000, "target.hold", 50*time.Millisecond, []byte{0x90}))},
		{"a megabyte back", "", deaf(calls(200, "target.echo", 0, binary16(1<<20-100)))},
		{"4 MiB back for nothing", "", deaf(calls(1000, "target.endless", 0, []byte{0x80}))},
		{"records of the log", "", deaf(calls(64, "target.chatter", 300*time.Millisecond, append([]byte{0xda, 0x40, 0}, bytes.Repeat([]byte{'x'}, 1<<14)...)))},
	})
}

// deaf sends b until the helper takes no more of it, gives it time to do what it does then, looks at it, and then reads.
func deaf(b []byte) func(*victim) {
	return func(v *victim) {
		rest := v.press(b)
		time.Sleep(300 * time.Millisecond) // for a helper that keeps too much; nothing passes because of it
		v.grown()
		go v.send(append(rest, callFrame(1<<40, "target.look", 0, 0, []byte{0x80})...))
		_, answers := v.until(1 << 40)
		v.t.Logf("%d of %d bytes were not taken at first; answers by code: %v", len(rest), len(b), answers)
	}
}
