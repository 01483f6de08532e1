package passthrough

import (
	"sync"
	"sync/atomic"
)

const (
	slabBits  = 9
	slabLen   = 1 << slabBits
	slabChunk = 1 << 17 // chunks at most: 67 million values
)

// slab maps small integers, from 1 on, to values that never move. get takes no lock. What is freed may be handed out
// again at once: vfs calls Forget and Release only when nobody uses the value any more.
type slab[T any] struct {
	chunks [slabChunk]atomic.Pointer[[slabLen]T]

	mu   sync.Mutex
	free []uint32 // guarded by mu
	next uint32   // guarded by mu
}

// get is the value of k, or nil for a number that was never given out.
func (s *slab[T]) get(k uint64) *T {
	if k == 0 || k>>slabBits >= slabChunk {
		return nil
	}
	c := s.chunks[k>>slabBits].Load()
	if c == nil {
		return nil
	}
	return &c[k&(slabLen-1)]
}

// alloc takes a value; nil: there are no more. It is as it was freed: the caller sets it.
func (s *slab[T]) alloc() (uint64, *T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		k := uint64(s.free[n-1])
		s.free = s.free[:n-1]
		return k, s.get(k)
	}
	k := s.next + 1
	if k>>slabBits >= slabChunk {
		return 0, nil
	}
	s.next = k
	if c := &s.chunks[k>>slabBits]; c.Load() == nil {
		c.Store(new([slabLen]T))
	}
	return uint64(k), s.get(uint64(k))
}

func (s *slab[T]) put(k uint64) {
	s.mu.Lock()
	s.free = append(s.free, uint32(k))
	s.mu.Unlock()
}

// high is the highest number ever given out.
func (s *slab[T]) high() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(s.next)
}
