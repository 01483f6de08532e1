package passthrough

import (
	"sync"
	"sync/atomic"
)

const (
	slabBits = 10 // values in a chunk: whole pages of the heap, whatever their size
	midBits  = 8  // chunks in a page of the directory
	topBits  = 8  // pages of the directory: 67 million values in all

	slabLen = 1 << slabBits
)

// slab maps small integers, from 1 on, to values that never move. get takes no lock. What is freed may be handed out
// again at once: vfs calls Forget and Release only when nobody uses the value any more. An empty one is 2 KiB.
type slab[T any] struct {
	top [1 << topBits]atomic.Pointer[slabPage[T]]

	mu   sync.Mutex
	free []uint32 // guarded by mu
	next uint32   // guarded by mu
}

type slabPage[T any] [1 << midBits]atomic.Pointer[[slabLen]T]

// get is the value of k, or nil for a number that was never given out.
func (s *slab[T]) get(k uint64) *T {
	if k == 0 || k>>(slabBits+midBits+topBits) != 0 {
		return nil
	}
	p := s.top[k>>(slabBits+midBits)].Load()
	if p == nil {
		return nil
	}
	c := p[k>>slabBits&(1<<midBits-1)].Load()
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
	if k>>(slabBits+midBits+topBits) != 0 {
		return 0, nil
	}
	s.next = k
	page := &s.top[k>>(slabBits+midBits)]
	if page.Load() == nil {
		page.Store(new(slabPage[T]))
	}
	if c := &page.Load()[k>>slabBits&(1<<midBits-1)]; c.Load() == nil {
		c.Store(new([slabLen]T))
	}
	return uint64(k), s.get(uint64(k))
}

func (s *slab[T]) put(k uint64) {
	s.mu.Lock()
	s.free = append(s.free, uint32(k))
	s.mu.Unlock()
}
