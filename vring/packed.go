//go:build linux

package vring

import (
	"encoding/binary"
	"fmt"
)

// A packed queue (virtio 1.3, 2.8): one ring of descriptors, which the driver fills and we overwrite, and an area of
// each side that says when it wants to be notified. A descriptor is available when its two bits differ, the first being
// the driver's wrap counter, and used when both are ours.
const (
	descAvail = 1 << 7
	descUsed  = 1 << 15

	eventSize    = 4 // offset and wrap counter, flags: a word of two halves
	eventEnable  = 0
	eventDisable = 1
	eventDesc    = 2
)

// position is a place in the ring and the wrap counter there.
type position struct {
	at   uint32
	wrap bool
}

func (p *position) advance(n, size uint32) {
	p.at += n
	if p.at >= size {
		p.at -= size
		p.wrap = !p.wrap
	}
}

// half is the position as event areas and vhost-user write it.
func (p position) half() uint32 {
	if p.wrap {
		return p.at | 1<<15
	}
	return p.at
}

func positionOf(h uint32) position { return position{h & 0x7fff, h&(1<<15) != 0} }

type packedState struct {
	next   position // to take
	used   position // to write
	flying uint32   // descriptors of chains in flight

	first     uint32 // offset of the first descriptor written since the last flush
	firstWord uint32 // its name and flags, which publish the rest
	fresh     uint32 // descriptors that it publishes
	event     uint32 // what our area says
}

func (s *packedState) base() uint32 { return s.next.half() | s.used.half()<<16 }

func (q *virtq) startPacked() error {
	s := &q.packed
	s.next, s.used = positionOf(q.conf.base), positionOf(q.conf.base>>16)
	if s.next.at >= q.conf.size || s.used.at >= q.conf.size {
		return fmt.Errorf("vring: base %#x of a packed queue of %d descriptors", q.conf.base, q.conf.size)
	}
	s.event = word(q.used, 0).Load()
	return nil
}

// available says whether there is a chain at the next position. The load comes before those of the chain.
func (q *virtq) available() bool {
	s := &q.packed
	flags := word(q.desc, descSize*s.next.at+12).Load() >> 16
	avail, used := flags&descAvail != 0, flags&descUsed != 0
	return avail != used && avail == s.next.wrap
}

func (q *virtq) popPacked(c *chain) (bool, error) {
	if !q.available() {
		return false, nil
	}
	s := &q.packed
	next := s.next
	for room := q.conf.size - s.flying; ; room-- {
		if room == 0 {
			return false, fmt.Errorf("vring: a chain longer than what is free in the packed queue of %d", q.conf.size)
		}
		d := packedDesc(q.desc[descSize*next.at : descSize*next.at+descSize])
		c.descs++
		next.advance(1, q.conf.size)
		c.head = d.link
		if d.flags&descIndirect != 0 {
			if err := q.table(c, d); err != nil {
				return false, err
			}
			break
		}
		if err := q.extend(c, d); err != nil {
			return false, err
		}
		if d.flags&descNext == 0 {
			break
		}
	}
	if !q.hold(c.head) {
		return false, fmt.Errorf("vring: buffer %d is there twice", c.head)
	}
	s.next = next
	s.flying += uint32(c.descs)
	return true, nil
}

// packedDesc loads a descriptor of a packed queue, each byte once.
func packedDesc(b []byte) desc {
	w := binary.LittleEndian.Uint64(b[8:16])
	return desc{addr: binary.LittleEndian.Uint64(b[:8]), n: uint32(w), link: uint16(w >> 32), flags: uint16(w >> 48)}
}

func (q *virtq) pushPacked(id, descs uint16, n uint32) {
	s := &q.packed
	flags := uint32(0)
	if s.used.wrap {
		flags = descAvail | descUsed
	}
	if n > 0 {
		flags |= descWrite // n counts
	}
	off := descSize * s.used.at
	binary.LittleEndian.PutUint32(q.desc[off+8:], n)
	w := uint32(id) | flags<<16
	if s.fresh == 0 {
		s.first, s.firstWord = off, w
	} else {
		binary.LittleEndian.PutUint32(q.desc[off+12:], w)
	}
	q.dirtiedDesc(off)
	s.used.advance(uint32(descs), q.conf.size)
	s.fresh += uint32(descs)
	s.flying -= uint32(descs)
}

// dirtiedDesc notes in the dirty log that the descriptor at off was written. The log's address of the used ring is that
// of our event area, so the guest address comes from the table.
func (q *virtq) dirtiedDesc(off uint32) {
	if q.conf.dirty == nil || q.conf.logUsed == 0 {
		return
	}
	if r := q.mem.guest(address(q.desc)); r != nil {
		q.conf.dirty.mark(r.GPA+(q.conf.desc-r.UVA)+uint64(off), descSize)
	}
}

func (q *virtq) flushPacked() bool {
	s := &q.packed
	word(q.desc, s.first+12).Store(s.firstWord)
	q.dirtiedDesc(s.first)
	n := s.fresh
	s.fresh = 0
	fence()
	area := word(q.avail, 0).Load()
	switch flags := area >> 16 & 3; {
	case flags == eventDisable:
		return false
	case flags != eventDesc || !q.conf.eventIdx || q.fresh:
		return true
	}
	event := positionOf(area & 0xffff)
	// How far the used position is past the event; one lap less if it is of the lap before.
	past := int64(s.used.at) - int64(event.at)
	if event.wrap != s.used.wrap {
		past += int64(q.conf.size)
	}
	return past > 0 && past <= int64(n)
}

// announce sets our event area.
func (q *virtq) announce(event uint32) {
	if q.packed.event == event {
		return
	}
	q.packed.event = event
	word(q.used, 0).Store(event)
	q.dirtiedUsed(0, eventSize)
}

func (q *virtq) suppressPacked() { q.announce(eventDisable << 16) }

func (q *virtq) awaitPacked() bool {
	if q.conf.eventIdx {
		q.announce(eventDesc<<16 | q.packed.next.half())
	} else {
		q.announce(eventEnable << 16)
	}
	fence()
	return q.available()
}
