package filters

// A slab is memory for many small things of one policy, taken together: those of ten thousand rules would be as many
// allocations. The zero value is ready.
type slab[T any] struct {
	free []T
	size int
}

// take returns n that are zero.
func (s *slab[T]) take(n int) []T {
	if n > len(s.free) {
		s.size = min(max(16, 2*s.size), 1024)
		s.free = make([]T, max(n, s.size))
	}
	taken := s.free[:n:n]
	s.free = s.free[n:]
	return taken
}
