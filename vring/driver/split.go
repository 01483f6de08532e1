//go:build linux

package driver

import (
	"fmt"
	"sync/atomic"
)

// desc is struct vring_desc.
type desc struct {
	addr  uint64
	len   uint32
	flags uint16
	next  uint16
}

const descSize = 16

// Flags of a descriptor, in both layouts.
const (
	descNext     = 1
	descWrite    = 2
	descIndirect = 4
)

// split is the split virtqueue (virtio 1.2, 2.7). Its indices run freely and wrap at 65536.
type split struct {
	geometry
	desc  []desc
	avail []uint32 // flags | idx<<16; the ring; used_event, padded to a word
	ring  []uint16 // the ring of avail
	used  []uint32 // flags | idx<<16; (id, len) for each element; avail_event, padded to a word

	next   []uint16 // of a free descriptor, or of one in a chain: our own copy, for the device can write the table's
	head   uint16   // first free descriptor
	nfree  int
	flight []uint16 // descriptors of the chain that starts here, 0: none does

	availIdx, kicked uint16 // published; at the last kick
	lastUsed         uint16
	flags            uint16 // of avail
}

func newSplit(g geometry) *split {
	s := &split{geometry: g, next: make([]uint16, g.size), flight: make([]uint16, g.size), nfree: g.size}
	s.desc, s.avail, s.ring, s.used = descs(g.area[0]), words(g.area[1]), halves(g.area[1][4:]), words(g.area[2])
	for i := range s.next {
		s.next[i] = uint16(i + 1)
	}
	return s
}

func (s *split) add(in, out []Segment) (uint16, error) {
	n := len(in) + len(out)
	if n == 0 || n > s.maxChain() {
		return 0, fmt.Errorf("driver: a chain of %d buffers: from 1 to %d are possible", n, s.maxChain())
	}
	table := s.indirect && n > 1
	need := n
	if table {
		need = 1
	}
	if s.nfree < need {
		return 0, ErrFull
	}
	head := s.head
	if table {
		t := descs(s.table(head))
		for i := range n {
			t[i] = chainDesc(in, out, i)
			t[i].next = uint16(i + 1)
		}
		s.desc[head] = desc{addr: s.tableAddr(head), len: uint32(n * descSize), flags: descIndirect}
		s.head = s.next[head]
	} else {
		at := head
		for i := range n {
			d := chainDesc(in, out, i)
			d.next = s.next[at]
			s.desc[at] = d
			at = s.next[at]
		}
		s.head = at
	}
	s.nfree -= need
	s.flight[head] = uint16(need)
	s.ring[int(s.availIdx)&(s.size-1)] = head
	s.availIdx++
	s.publish()
	return head, nil
}

// publish stores flags and index in one: everything before is visible to who reads it.
func (s *split) publish() { atomic.StoreUint32(&s.avail[0], uint32(s.flags)|uint32(s.availIdx)<<16) }

func (s *split) needKick() bool {
	old := s.kicked
	s.kicked = s.availIdx
	if old == s.availIdx {
		return false
	}
	if s.eventIdx {
		event := uint16(atomic.LoadUint32(&s.used[1+2*s.size]))
		return needEvent(event, s.availIdx, old)
	}
	return atomic.LoadUint32(&s.used[0])&usedNoNotify == 0
}

func (s *split) poll() (id uint16, n uint32, ok bool, err error) {
	idx := uint16(atomic.LoadUint32(&s.used[0]) >> 16)
	if idx == s.lastUsed {
		return 0, 0, false, nil
	}
	if int(idx-s.lastUsed) > s.size {
		return 0, 0, false, fmt.Errorf("%w: used.idx went from %d to %d, with %d descriptors", ErrDevice, s.lastUsed, idx, s.size)
	}
	e := 1 + 2*(int(s.lastUsed)&(s.size-1))
	head := s.used[e]
	n = s.used[e+1]
	if head >= uint32(s.size) || s.flight[head] == 0 {
		return 0, 0, false, fmt.Errorf("%w: descriptor %d is used, which is not in flight", ErrDevice, head)
	}
	s.lastUsed++
	s.release(uint16(head))
	return uint16(head), n, true, nil
}

// release puts a chain at the front of the free list.
func (s *split) release(head uint16) {
	last := head
	for range s.flight[head] - 1 {
		last = s.next[last]
	}
	s.nfree += int(s.flight[head])
	s.flight[head] = 0
	s.next[last] = s.head
	s.head = head
}

func (s *split) arm() bool {
	if s.eventIdx {
		atomic.StoreUint32(&s.avail[1+s.size/2], uint32(s.lastUsed))
	} else if s.flags != 0 {
		s.flags = 0
		s.publish()
	}
	return uint16(atomic.LoadUint32(&s.used[0])>>16) != s.lastUsed
}

// disarm: with EVENT_IDX an event that has passed stays silent by itself.
func (s *split) disarm() {
	if !s.eventIdx && s.flags == 0 {
		s.flags = availNoInterrupt
		s.publish()
	}
}

func (s *split) free() int { return s.nfree }
