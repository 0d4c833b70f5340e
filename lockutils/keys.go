package lockutils

import (
	"context"
	"maps"
	"sync"
)

// Keys is exclusive locks by name within one process. A name costs memory only while somebody holds it or waits for it.
// Whoever comes first is served first. The zero value is ready, and must not be copied once it was used.
type Keys struct {
	mu     sync.Mutex
	used   map[string]*key
	spare  []*key // out of use, to be used again
	widest int    // most names at once since the map was made
}

// key is one name in use. Keys.mu guards it.
type key struct {
	name  string
	turns turnstile
	past  uint64 // so many have held it, under this name or another: tells a holder from an earlier one
}

// maxSpare is how many unused keys are kept.
const maxSpare = 64

// KeyHeld is a name that is locked. The zero value is none.
type KeyHeld struct {
	keys *Keys
	key  *key
	past uint64
}

// Lock waits until nobody else holds the name, and holds it. When ctx ends first it returns a *WaitError.
func (k *Keys) Lock(ctx context.Context, name string) (KeyHeld, error) {
	if ctx.Err() != nil {
		return KeyHeld{}, &WaitError{Name: name, Err: ended(ctx)}
	}
	k.mu.Lock()
	e := k.key(name)
	if e.turns.tryEnter(&turn{}) {
		held := KeyHeld{k, e, e.past}
		k.mu.Unlock()
		return held, nil
	}
	t := &turn{}
	e.turns.enter(t)
	k.mu.Unlock()
	select {
	case <-t.ready:
		return KeyHeld{k, e, e.past}, nil // nobody but the holder changes past
	case <-ctx.Done():
		k.mu.Lock()
		k.leave(e, t)
		k.mu.Unlock()
		return KeyHeld{}, &WaitError{Name: name, Err: ended(ctx)}
	}
}

// TryLock takes the name if nobody holds it, and else returns false.
func (k *Keys) TryLock(name string) (KeyHeld, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.key(name)
	if !e.turns.tryEnter(&turn{}) {
		return KeyHeld{}, false
	}
	return KeyHeld{k, e, e.past}, true
}

// Unlock gives the name back. A second call, or one of the zero value, returns ErrNotHeld.
func (h KeyHeld) Unlock() error {
	if h.keys == nil {
		return ErrNotHeld
	}
	h.keys.mu.Lock()
	defer h.keys.mu.Unlock()
	if !h.key.turns.exclusive || h.key.past != h.past {
		return ErrNotHeld
	}
	h.keys.leave(h.key, &turn{})
	return nil
}

// Len returns how many names are held.
func (k *Keys) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.used)
}

// key returns the state of a name, new where nobody uses it. The caller holds mu, and puts a turn in.
func (k *Keys) key(name string) *key {
	if e := k.used[name]; e != nil {
		return e
	}
	var e *key
	if n := len(k.spare); n > 0 {
		e, k.spare = k.spare[n-1], k.spare[:n-1]
	} else {
		e = &key{}
	}
	e.name = name
	if k.used == nil {
		k.used = map[string]*key{}
	}
	k.used[name] = e
	k.widest = max(k.widest, len(k.used))
	return e
}

// leave takes t out, from the queue or as the holder. The caller holds mu.
func (k *Keys) leave(e *key, t *turn) {
	if !t.queued {
		e.past++
	}
	e.turns.leave(t)
	if !e.turns.idle() {
		return
	}
	delete(k.used, e.name)
	if e.name = ""; len(k.spare) < maxSpare {
		k.spare = append(k.spare, e)
	}
	k.used, k.widest = shrink(k.used, k.widest)
}

// shrink returns the map, or a smaller one with the same entries when it was once far wider, and its new width: a Go map
// keeps the room of its widest time, and so does maps.Clone of it.
func shrink[V any](m map[string]V, widest int) (map[string]V, int) {
	if widest <= 1024 || len(m) >= widest/8 {
		return m, widest
	}
	small := make(map[string]V, len(m))
	maps.Copy(small, m)
	return small, len(m)
}
