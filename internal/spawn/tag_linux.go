package spawn

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A tag is the N of the package comment: the number of a command, carried by everything that descends from it as a timer
// slack of tagBase+N nanoseconds. 0 is no tag.
type tag uint32

const (
	tagBase = 50_000 // the kernel's default slack in ns
	tagSpan = 49_999 // tags are 1..tagSpan: nobody's timer is late by more than twice the default
)

// A tagSet is a set of tags. It does not grow with them: a helper starts any number of commands.
type tagSet [tagSpan/64 + 1]uint64

func (s *tagSet) has(t tag) bool { return s[t/64]&(1<<(t%64)) != 0 }
func (s *tagSet) add(t tag)      { s[t/64] |= 1 << (t % 64) }
func (s *tagSet) remove(t tag)   { s[t/64] &^= 1 << (t % 64) }

// tags hands out the tags of this process. Guarded by children.mu.
//
// A tag is not taken back when its command ends, for its descendants may live on and to look for them would cost every
// command a walk. All are handed out in turn instead, and once a lap, before the first is used again, one walk finds
// those that are still carried.
type tags struct {
	origin  uint32 // where this process begins; random, so that a helper started by a command of ours differs
	issued  uint64 // how many were handed out
	carried map[tag]bool
}

func newTags() tags { return tags{origin: rand.Uint32N(tagSpan)} }

// lapEnds reports whether every tag was handed out once more, so that carried has to be looked up anew.
func (t *tags) lapEnds() bool { return t.issued > 0 && t.issued%tagSpan == 0 }

// take returns the next tag that nothing alive carries, 0 where all are carried, and its place in the order of all.
func (t *tags) take(living func(tag) bool) (tag, uint64) {
	for range tagSpan {
		n := tag((uint64(t.origin)+t.issued)%tagSpan) + 1
		t.issued++
		if !t.carried[n] && !living(n) {
			return n, t.issued
		}
		if t.lapEnds() {
			break
		}
	}
	return 0, t.issued
}

// mayBeReissued reports whether a tag handed out as number seq can meanwhile belong to another command.
func (t *tags) mayBeReissued(seq uint64) bool { return t.issued-seq >= tagSpan }

// readTag returns the tag that a process carries, or 0.
func readTag(pid int) tag {
	b, err := readProc("/proc/" + strconv.Itoa(pid) + "/timerslack_ns")
	if err != nil {
		return 0
	}
	ns, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || ns <= tagBase || ns > tagBase+tagSpan {
		return 0
	}
	return tag(ns - tagBase)
}

// canReadTags reports whether this process may read other processes' slack: CAP_SYS_NICE towards their user namespace.
func canReadTags() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&hdr, &data[0]) != nil || data[0].Effective&(1<<unix.CAP_SYS_NICE) == 0 {
		return false
	}
	_, err := os.Stat("/proc/self/timerslack_ns")
	return err == nil
}
