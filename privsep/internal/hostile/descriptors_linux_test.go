package hostile

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// indexes are arguments of target.files that name n descriptors.
func indexes(n int) []byte {
	b := []byte{0xdc, 0, byte(n)}
	for i := range n {
		b = append(b, 0xcc, byte(i))
	}
	return b
}

func same(fd, n int) []int {
	fds := make([]int, n)
	for i := range fds {
		fds[i] = fd
	}
	return fds
}

// TestDescriptors: those that are due and those that are not. None stays open, and none is waited for.
func TestDescriptors(t *testing.T) {
	const protocol = "protocol error of the client: "
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fd := int(null.Fd())
	ping := simple(wire.TypePing, 1)
	files := func(says, names int) []byte { return callFrame(1, "target.files", 0, says, indexes(names)) }
	run(t, []scenario{
		{"one with a PING", protocol + "1 descriptors that no message names", func(v *victim) { v.send(ping, fd) }},
		{"a PING that says one", protocol + "PING with descriptors", func(v *victim) { v.send(raw(0x93, 1, 1, 1), fd) }},
		{"one more than is said", protocol + "1 descriptors that no message names", func(v *victim) { v.send(files(1, 1), fd, fd) }},
		{"one less than is said", protocol + "CALL says 2 descriptors, 1 came", func(v *victim) { v.send(files(2, 2), fd) }},
		{"said, and none came", protocol + "CALL says 253 descriptors, 0 came", func(v *victim) { v.send(files(253, 253)) }},
		{"254 said", protocol, func(v *victim) { v.send(callFrame(1, "target.add", 0, 254, add2), same(fd, 253)...) }},
		{"253 with each byte of one frame", protocol + "more than 253 descriptors", func(v *victim) {
			for _, b := range files(1, 1) {
				v.send([]byte{b}, same(fd, 253)...)
			}
		}},
		{"two of a cancel", protocol, func(v *victim) { v.send(simple(wire.TypeCancel, 1), fd, fd) }},
		{"unnamed ones of a frame that never ends", "unexpected EOF", func(v *victim) {
			v.send(binary.BigEndian.AppendUint32(nil, 1<<20), same(fd, 253)...)
			hangUp(v)
		}},

		{"not named by the arguments", "", func(v *victim) { refusedFiles(v, files(3, 2), same(fd, 3)) }},
		{"named twice", "", func(v *victim) {
			refusedFiles(v, callFrame(1, "target.files", 0, 2, []byte{0x92, 0, 0}), same(fd, 2))
		}},
		{"for a call that takes none", "", func(v *victim) { refusedFiles(v, callFrame(1, "target.add", 0, 100, add2), same(fd, 100)) }},
		{"for an entrypoint that is not there", "", func(v *victim) { refusedFiles(v, callFrame(1, "target.no", 0, 100, add2), same(fd, 100)) }},
		{"of every kind", "", func(v *victim) {
			fds := everyKind(v)
			id := v.call("target.files", 0, indexes(len(fds)), fds...)
			v.send(simple(wire.TypeCancel, id))
			if m := v.answer(wire.TypeError); m.code != "cancelled" {
				v.t.Errorf("answered %+v", m)
			}
		}},
		{"100 calls with 253 each, that wait for a slot", "", func(v *victim) {
			var cancels []byte
			for id := range uint64(200) {
				v.send(callFrame(id+1, "target.files", 0, 253, indexes(253)), same(fd, 253)...)
				cancels = append(cancels, simple(wire.TypeCancel, id+1)...)
			}
			v.send(cancels)
			codes := map[string]int{}
			for range 200 {
				codes[v.answer(wire.TypeError).code]++
			}
			if codes["busy"] < 180 || codes["busy"]+codes["cancelled"] != 200 {
				v.t.Errorf("answers by code: %v", codes)
			}
		}},
		{"of calls that nobody answers in time", "", func(v *victim) {
			for id := range uint64(200) {
				v.send(callFrame(id+1, "target.files", 20*time.Millisecond, 10, indexes(10)), same(fd, 10)...)
			}
			for range 200 {
				v.answer(wire.TypeError)
			}
		}},
	})
}

// refusedFiles sends a call whose failure is its own.
func refusedFiles(v *victim, frame []byte, fds []int) {
	v.t.Helper()
	v.send(frame, fds...)
	if m := v.answer(wire.TypeError); m.code != "bad_arguments" && m.code != "no_entrypoint" {
		v.t.Errorf("answered %+v", m)
	}
}

// everyKind opens what a descriptor can be: some of it never becomes ready, and some says so wrongly.
func everyKind(v *victim) (fds []int) {
	v.t.Helper()
	add := func(what string) func(fd int, err error) {
		return func(fd int, err error) {
			if err != nil {
				v.t.Fatalf("%s: %v", what, err)
			}
			fds = append(fds, fd)
			v.t.Cleanup(func() { unix.Close(fd) })
		}
	}
	add("folder")(unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	add("path")(unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0))
	add("epoll")(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
	add("eventfd")(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK))
	add("memfd")(unix.MemfdCreate("x", unix.MFD_CLOEXEC))
	add("inotify")(unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK))
	add("timerfd")(unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK))
	add("pidfd")(unix.PidfdOpen(os.Getpid(), 0))
	add("datagrams")(unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0))
	add("the client's own end of the connection")(unix.Dup(v.fd))
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		v.t.Fatal(err)
	}
	add("pipe")(pipe[0], nil)
	add("pipe")(pipe[1], nil)
	return fds
}
