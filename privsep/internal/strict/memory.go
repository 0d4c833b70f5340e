package strict

import "math/bits"

// footprint is what Go's allocator takes for an object of size bytes, estimated from above (internal/runtime/gc): its
// size classes waste up to an eighth, objects with pointers above 512 bytes have a header of 8, those above 32 KiB take
// whole pages.
func footprint(size uint64) uint64 {
	const page = 8192
	switch {
	case size <= 128:
		return (size + 15) &^ 15
	case size <= 32<<10:
		return (size + 8) * 9 / 8
	default:
		return size + page + 8
	}
}

// mapFootprint is the same for a map of num pairs in Go's swiss tables (internal/runtime/maps): groups of 8 slots,
// filled to 7/8 and doubled, in tables of at most 1024 slots, with keys and elements above 128 bytes apart from their slot.
func mapFootprint(n *node, num uint64) uint64 {
	const (
		header  = 48
		group   = 8
		table   = 1024
		pointer = bits.UintSize / 8
		direct  = 128
	)
	if num == 0 {
		return header
	}
	slot, apart := uint64(0), uint64(0)
	for _, size := range [...]uint64{uint64(n.key.typ.Size()), max(1, uint64(n.elem.typ.Size()))} {
		if size > direct {
			apart += footprint(size)
			size = pointer
		}
		slot += (size + 7) &^ 7
	}
	slots := uint64(group)
	if num > slots {
		slots = 1 << bits.Len64(num*8/7)
	}
	tables := max(1, slots/table)
	return header + tables*(header+footprint(slots/tables*(slot+1))) + num*apart
}
