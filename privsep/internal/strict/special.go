package strict

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// The instants that travel: those that RFC 3339 can write. Beyond them time.Time computes modulo 2⁶⁴, and a record
// that holds one cannot be written as JSON.
const (
	minSecond = -62135596800 // 0001-01-01T00:00:00Z, which is the zero time.Time
	maxSecond = 253402300799 // 9999-12-31T23:59:59Z
)

// timestampType is msgpack's own extension type for time.
const timestampType = -1

// readTime takes a timestamp apart: 4 bytes of seconds, 30 bits of nanoseconds and 34 of seconds, or 4 bytes of
// nanoseconds and 8 of seconds.
func readTime(b []byte) (sec int64, nsec uint32, ok bool) {
	switch len(b) {
	case 4:
		return int64(binary.BigEndian.Uint32(b)), 0, true
	case 8:
		both := binary.BigEndian.Uint64(b)
		return int64(both & (1<<34 - 1)), uint32(both >> 34), true
	case 12:
		return int64(binary.BigEndian.Uint64(b[4:])), binary.BigEndian.Uint32(b), true
	}
	return 0, 0, false
}

func checkTime(at int, typ int8, b []byte) *Error {
	if typ != timestampType {
		return refuse(at, "extension type %d where a timestamp (−1) belongs", typ)
	}
	sec, nsec, ok := readTime(b)
	switch {
	case !ok:
		return refuse(at, "a timestamp of %d bytes", len(b))
	case nsec >= uint32(time.Second):
		return refuse(at, "a timestamp with %d nanoseconds", nsec)
	case sec < minSecond || sec > maxSecond:
		return refuse(at, "a timestamp outside of the years 1 to 9999")
	}
	return nil
}

// time writes t, or refuses it.
func (e *encoder) time(t time.Time) *Error {
	if sec := t.Unix(); sec < minSecond || sec > maxSecond {
		return refuse(-1, "a time outside of the years 1 to 9999")
	}
	e.Writer.time(t)
	return nil
}

// maxZone is the longest zone of an IPv6 address: an interface's name (IFNAMSIZ of netdevice(7), less the NUL).
const maxZone = 15

// checkAddr passes exactly what MarshalBinary of the three netip types writes.
func checkAddr(k kind, at int, b []byte) *Error {
	size := len(b)
	switch k {
	case kindAddrPort:
		size -= 2 // the port
	case kindPrefix:
		size-- // its bits
	}
	switch {
	case size == 0 || size == 4 || size == 16: // none, IPv4, IPv6
	case size > 16 && size <= 16+maxZone && k != kindPrefix: // IPv6 with a zone; netip.PrefixFrom takes zones away
	default:
		return refuse(at, "%d bytes are no address", len(b))
	}
	if k == kindPrefix { // 255 is what MarshalBinary writes for a Prefix that is not valid, such as the zero one
		if ones := int(b[size]); ones != 255 && (size == 0 || ones > 8*size) {
			return refuse(at, "a prefix of %d bits in an address of %d bytes", ones, size)
		}
	}
	return nil
}

// addr writes an address and the bytes that tail appends: its port, its bits, or nothing.
func (e *encoder) addr(a netip.Addr, tail ...byte) *Error {
	zone := len(a.Zone())
	if zone > maxZone {
		return refuse(-1, "a zone of %d bytes, at most %d can travel", zone, maxZone)
	}
	e.binHead(a.BitLen()/8 + zone + len(tail))
	e.Buf, _ = a.AppendBinary(e.Buf) // it has no way to fail
	e.Buf = append(e.Buf, tail...)
	return nil
}
