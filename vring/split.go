//go:build linux

package vring

import (
	"encoding/binary"
	"fmt"
)

// A split queue (virtio 1.3, 2.7): a table of descriptors, a ring of heads that the driver fills, and a ring of heads
// and lengths that we fill.
const (
	ringEntries   = 4 // both rings start with flags and index, a word of two halves
	availEntry    = 2
	usedEntry     = 8
	noInterrupt   = 1 // flag of the avail ring
	noNotify      = 1 // flag of the used ring
	halfIndexBits = 16
)

type splitState struct {
	next  uint16 // of the avail ring, to take
	seen  uint16 // what the driver had published when we last looked
	used  uint16 // of the used ring, to fill
	flags uint16 // of the used ring
}

func splitSizes(size uint32) (avail, used uint64) {
	return ringEntries + availEntry*uint64(size) + 2, ringEntries + usedEntry*uint64(size) + 2
}

func (q *virtq) startSplit() {
	s := &q.split
	s.next = uint16(q.conf.base)
	s.seen = s.next
	w := word(q.used, 0).Load() // as whoever served the queue before left it
	s.flags, s.used = uint16(w), uint16(w>>halfIndexBits)
}

// look is the avail ring's index.
func (q *virtq) look() uint16 { return uint16(word(q.avail, 0).Load() >> halfIndexBits) }

func (q *virtq) popSplit(c *chain) (bool, error) {
	s := &q.split
	if s.next == s.seen {
		idx := q.look()
		if uint32(idx-s.next) > q.conf.size {
			return false, fmt.Errorf("vring: the driver's index went from %d to %d in a queue of %d", s.next, idx, q.conf.size)
		}
		s.seen = idx
		if s.next == idx {
			return false, nil
		}
	}
	head := *half(q.avail, ringEntries+availEntry*(uint32(s.next)&(q.conf.size-1)))
	if uint32(head) >= q.conf.size {
		return false, fmt.Errorf("vring: head %d in a queue of %d", head, q.conf.size)
	}
	c.head = head
	if err := q.walk(c, uint32(head)); err != nil {
		return false, err
	}
	if !q.hold(head) {
		return false, fmt.Errorf("vring: head %d is there twice", head)
	}
	s.next++
	return true, nil
}

// walk follows the descriptors from i on.
func (q *virtq) walk(c *chain, i uint32) error {
	for range q.conf.size {
		d := splitDesc(q.desc[descSize*i : descSize*i+descSize])
		c.descs++
		if d.flags&descIndirect != 0 {
			return q.table(c, d)
		}
		if err := q.extend(c, d); err != nil {
			return err
		}
		if d.flags&descNext == 0 {
			return nil
		}
		i = uint32(d.link)
		if i >= q.conf.size {
			return fmt.Errorf("vring: descriptor %d in a queue of %d", i, q.conf.size)
		}
	}
	return fmt.Errorf("vring: a chain longer than the queue of %d", q.conf.size)
}

func (q *virtq) pushSplit(head uint16, n uint32) {
	s := &q.split
	off := ringEntries + usedEntry*(uint32(s.used)&(q.conf.size-1))
	binary.LittleEndian.PutUint32(q.used[off:], uint32(head))
	binary.LittleEndian.PutUint32(q.used[off+4:], n)
	q.dirtiedUsed(off, usedEntry)
	s.used++
}

// publish stores flags and index of the used ring, which share a word: both are ours.
func (q *virtq) publish(used uint16) {
	word(q.used, 0).Store(uint32(q.split.flags) | uint32(used)<<halfIndexBits)
	q.dirtiedUsed(0, ringEntries)
}

func (q *virtq) flushSplit() bool {
	s := &q.split
	q.publish(s.used)
	fence()
	if !q.conf.eventIdx {
		return word(q.avail, 0).Load()&noInterrupt == 0
	}
	event := *half(q.avail, ringEntries+availEntry*q.conf.size)
	return q.fresh || uint32(s.used-event-1) < q.pending
}

func (q *virtq) suppressSplit() {
	s := &q.split
	if q.conf.eventIdx || s.flags == noNotify {
		return // an event index that was passed asks for nothing until the index wraps
	}
	s.flags = noNotify
	q.publish(s.used - uint16(q.pending))
}

func (q *virtq) awaitSplit() bool {
	s := &q.split
	if q.conf.eventIdx {
		off := ringEntries + usedEntry*q.conf.size
		*half(q.used, off) = s.next
		q.dirtiedUsed(off, 2)
	} else if s.flags != 0 {
		s.flags = 0
		q.publish(s.used - uint16(q.pending))
	}
	fence()
	return q.look() != s.next
}
