package daemon

// A callList is calls in the order they came. A call stands in one list at most; taking it out of the midst costs the
// same as from the front, because a client may cancel 16,384 calls in whatever order it likes.
type callList struct {
	first, last *call
	len         int
}

func (l *callList) push(c *call) {
	c.list, c.prev, c.next = l, l.last, nil
	if l.last == nil {
		l.first = c
	} else {
		l.last.next = c
	}
	l.last = c
	l.len++
}

func (l *callList) remove(c *call) {
	if c.prev == nil {
		l.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		l.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.list, c.prev, c.next = nil, nil, nil
	l.len--
}
