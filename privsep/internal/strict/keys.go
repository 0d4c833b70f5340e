package strict

import (
	"bytes"
	"cmp"
	"fmt"
	"sort"
)

// duplicates looks for a key that comes twice among the num pairs, checked before, of which the first begins at off. It
// sorts them: a hash table could be made slow by whoever knows its hash, and needs more memory.
func (c *checker) duplicates(off, num int) *Error {
	const size = 40 // of a mapKey
	if e := c.charge(off, footprint(uint64(num)*size)); e != nil {
		return e
	}
	begin, keys := off, make([]mapKey, num)
	for i := range keys {
		keys[i], off = keyAt(c.data, off)
		end, e := scan(c.data, off, c.limits)
		if e != nil {
			return e
		}
		off = end
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i].compare(keys[j]) < 0 })
	for i := 1; i < len(keys); i++ {
		if keys[i].compare(keys[i-1]) == 0 {
			return refuse(begin, "key %s comes twice", keys[i])
		}
	}
	return nil
}

// mapKey is the key of a map as it compares in Go, whatever its width on the wire.
type mapKey struct {
	str []byte
	num uint64
	neg bool
}

// keyAt reads the key at off, which has been checked, and says where its value begins.
func keyAt(data []byte, off int) (mapKey, int) {
	cl, n, next := parse(data, off)
	if cl == classString {
		end := next + int(n)
		return mapKey{str: data[next:end]}, end
	}
	return mapKey{num: n, neg: cl == classInt}, next
}

func (k mapKey) compare(other mapKey) int {
	if k.neg != other.neg {
		if k.neg {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(k.num, other.num); c != 0 {
		return c // two negative integers compare as their bits do
	}
	return bytes.Compare(k.str, other.str)
}

func (k mapKey) String() string {
	if k.str != nil {
		return quote(k.str)
	}
	if k.neg {
		return fmt.Sprint(int64(k.num))
	}
	return fmt.Sprint(k.num)
}
