package strict

// Reader reads the headers of our own messages, value by value, each of the kind that is asked for. It never reads
// behind the end, and allocates nothing but the strings it returns. After an error it stands where it stood: ask again
// for another kind, or give up. A Reader is for one goroutine. Its errors are *Error.
type Reader struct {
	data []byte
	off  int
	lim  Limits
}

// NewReader reads data, which it does not change. What Bytes and Value return are parts of it.
func NewReader(data []byte) *Reader { return &Reader{data: data} }

// Within sets the Limits of Value, which are the defaults before, and returns r.
func (r *Reader) Within(lim Limits) *Reader {
	r.lim = lim
	return r
}

// Array begins an array and returns how many values are to be read from it: never more than there are bytes left.
func (r *Reader) Array() (int, error) {
	cl, n, next := parse(r.data, r.off)
	if cl != classArray {
		return 0, wrong(r.off, cl, "an array")
	}
	r.off = next
	return int(n), nil
}

// Map begins a map and returns how many pairs of a key and a value are to be read from it. That no key comes twice is
// for the caller to see to.
func (r *Reader) Map() (int, error) {
	cl, n, next := parse(r.data, r.off)
	if cl != classMap {
		return 0, wrong(r.off, cl, "a map")
	}
	r.off = next
	return int(n), nil
}

// Uint reads an unsigned integer of at most max.
func (r *Reader) Uint(max uint64) (uint64, error) {
	cl, n, next := parse(r.data, r.off)
	switch {
	case cl != classUint:
		return 0, wrong(r.off, cl, "an unsigned integer")
	case n > max:
		return 0, refuse(r.off, "%d is above %d", n, max)
	}
	r.off = next
	return n, nil
}

// Int reads a signed integer.
func (r *Reader) Int() (int64, error) {
	cl, n, next := parse(r.data, r.off)
	switch {
	case cl != classUint && cl != classInt:
		return 0, wrong(r.off, cl, "an integer")
	case cl == classUint && int64(n) < 0:
		return 0, refuse(r.off, "%d does not fit int64", n)
	}
	r.off = next
	return int64(n), nil
}

// String reads a str of at most max bytes, which need not be UTF-8.
func (r *Reader) String(max int) (string, error) {
	b, err := r.content(classString, "a string", max)
	return string(b), err
}

// Bytes reads a bin of at most max bytes. What it returns is part of the Reader's data.
func (r *Reader) Bytes(max int) ([]byte, error) { return r.content(classBin, "binary data", max) }

func (r *Reader) content(want class, name string, max int) ([]byte, error) {
	cl, n, next := parse(r.data, r.off)
	if cl != want {
		return nil, wrong(r.off, cl, name)
	}
	end := next + int(n)
	if end-next > max {
		return nil, tooLarge(r.off, "%d bytes, at most %d belong here", n, max)
	}
	r.off = end
	return r.data[next:end:end], nil
}

// Bool reads true or false.
func (r *Reader) Bool() (bool, error) {
	cl, n, next := parse(r.data, r.off)
	if cl != classBool {
		return false, wrong(r.off, cl, "a bool")
	}
	r.off = next
	return n != 0, nil
}

// Nil reports whether the next value is nil, and passes it if so.
func (r *Reader) Nil() bool {
	cl, _, next := parse(r.data, r.off)
	if cl == classNil {
		r.off = next
	}
	return cl == classNil
}

// Value passes the next value, whatever it is, and returns its bytes, which are part of the Reader's data. It looks for
// its end within the Limits and at nothing else: a Plan checks it.
func (r *Reader) Value() ([]byte, error) {
	end, e := scan(r.data, r.off, r.lim)
	if e != nil {
		return nil, e
	}
	begin := r.off
	r.off = end
	return r.data[begin:end:end], nil
}

// End returns an error if there is anything left to read.
func (r *Reader) End() error {
	if left := len(r.data) - r.off; left > 0 {
		return refuse(r.off, "%d trailing bytes", left)
	}
	return nil
}
