package lockutils

// turnstile lets one exclusive user in, or any number of shared ones, in the order in which they came: a shared user
// that finds somebody waiting waits too, or a stream of them would keep an exclusive one out for ever. Whoever owns a
// turnstile guards it with a mutex.
type turnstile struct {
	exclusive  bool // an exclusive user is in
	shared     int  // so many shared users are in
	head, tail *turn
}

// turn is one user's place: in the queue, then inside. It serves once.
type turn struct {
	shared     bool
	queued     bool
	ready      chan struct{} // closed when a queued turn has come; nil where it came at once
	next, prev *turn
}

// enter lets t in at once and returns true, or puts it at the end of the queue: then t.ready says when it is in.
func (s *turnstile) enter(t *turn) bool {
	if s.head == nil && s.fits(t) {
		s.admit(t)
		return true
	}
	t.ready = make(chan struct{})
	t.queued = true
	t.prev = s.tail
	if s.tail == nil {
		s.head = t
	} else {
		s.tail.next = t
	}
	s.tail = t
	return false
}

// tryEnter lets t in at once, or returns false and leaves no trace.
func (s *turnstile) tryEnter(t *turn) bool {
	if s.head != nil || !s.fits(t) {
		return false
	}
	s.admit(t)
	return true
}

// leave takes t out, from inside or from the queue, and lets in whoever can follow. A turn that left the queue may have
// been all that kept shared users out, so the queue is looked at in both cases.
func (s *turnstile) leave(t *turn) {
	switch {
	case t.queued:
		s.unlink(t)
	case t.shared:
		s.shared--
	default:
		s.exclusive = false
	}
	for s.head != nil && s.fits(s.head) {
		next := s.head
		s.unlink(next)
		s.admit(next)
		close(next.ready)
	}
}

// idle reports whether nobody is inside or queued.
func (s *turnstile) idle() bool { return !s.exclusive && s.shared == 0 && s.head == nil }

func (s *turnstile) fits(t *turn) bool {
	return !s.exclusive && (t.shared || s.shared == 0)
}

func (s *turnstile) admit(t *turn) {
	if t.shared {
		s.shared++
	} else {
		s.exclusive = true
	}
}

func (s *turnstile) unlink(t *turn) {
	if t.prev == nil {
		s.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		s.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.next, t.prev, t.queued = nil, nil, false
}
