//go:build linux

package vring

import (
	"encoding/binary"
	"slices"
)

// drv plays the driver of a queue as Linux does, on the guest's own mapping.
type drv struct {
	g                 *guest
	conf              virtqConfig
	desc, avail, used []byte
	free              []uint16 // split: descriptors; packed: names
	sent              map[uint16]sent

	added     uint16 // split: of the avail ring
	unkicked  uint16 // entries that no kick was considered for
	collected uint16 // split: of the used ring
	room      uint32 // packed: free descriptors
	next      position
	last      position
	shared    uint32 // packed: the word that publishes what was added; offset and value
	sharedOff uint32
	held      bool
}

// sent is what a name of a chain in flight stands for.
type sent struct {
	descs []uint16
	slots uint32
}

const tableRoom = 64 * descSize

// newDrv starts a driver at the queue's base.
func newDrv(g *guest, c virtqConfig) *drv {
	gpa := func(uva uint64) uint64 { return uva - guestUVA }
	availSize, usedSize := splitSizes(c.size)
	if c.packed {
		availSize, usedSize = eventSize, eventSize
	}
	d := &drv{
		g: g, conf: c, desc: g.at(gpa(c.desc), int(c.size)*descSize), avail: g.at(gpa(c.avail), int(availSize)), used: g.at(gpa(c.used), int(usedSize)),
		sent: map[uint16]sent{}, room: c.size,
	}
	clear(d.desc)
	clear(d.avail)
	clear(d.used)
	for i := range c.size {
		d.free = append(d.free, uint16(i))
	}
	if c.packed {
		d.next, d.last = positionOf(c.base), positionOf(c.base>>16)
		// What the lap before left: used descriptors of the other wrap counter, before the position those of this one.
		for i := range c.size {
			wrap := d.next.wrap == (i < d.next.at)
			if wrap {
				binary.LittleEndian.PutUint16(d.desc[descSize*i+14:], descAvail|descUsed)
			}
		}
		return d
	}
	d.added, d.collected = uint16(c.base), uint16(c.base)
	word(d.avail, 0).Store(uint32(d.added) << 16)
	word(d.used, 0).Store(uint32(d.added) << 16)
	return d
}

// fits says whether there is room for a chain of n ring descriptors.
func (d *drv) fits(n int) bool {
	if d.conf.packed {
		return d.room >= uint32(n) && len(d.free) > 0
	}
	return len(d.free) >= n
}

// add puts a chain into the ring; the device does not see it before publish. The first direct segments have descriptors
// in the ring, the others in an indirect table.
// Preconditions: it fits.
func (d *drv) add(ss []segment, direct int) (name uint16) {
	slots := ringSlots(ss, direct)
	if d.conf.packed {
		return d.addPacked(ss, direct, slots)
	}
	own := slices.Clone(d.free[len(d.free)-slots:])
	d.free = d.free[:len(d.free)-slots]
	for i, at := range own {
		e := segment{d.table(own[0]), 0, false}
		flags := uint16(descIndirect)
		if i < direct {
			e, flags = ss[i], writeFlag(ss[i])
		} else {
			e.n = d.fillTable(e.gpa, ss[direct:])
		}
		next := uint16(0xffff) // garbage where there is none
		if i+1 < slots {
			flags |= descNext
			next = own[i+1]
		}
		putDesc(d.desc[descSize*uint32(at):], e.gpa, e.n, flags, next)
	}
	*half(d.avail, 4+2*(uint32(d.added)&(d.conf.size-1))) = own[0]
	d.sent[own[0]] = sent{descs: own, slots: 1}
	d.added++
	d.unkicked++
	return own[0]
}

func ringSlots(ss []segment, direct int) int {
	if direct < len(ss) {
		return direct + 1
	}
	return direct
}

func writeFlag(s segment) uint16 {
	if s.write {
		return descWrite
	}
	return 0
}

// table is the guest address of the indirect table of the chain named so.
func (d *drv) table(name uint16) uint64 { return guestLow + 0xe_8000 + uint64(name)%64*tableRoom }

// fillTable writes an indirect table. In a split queue the descriptors are linked from the first to the last and back.
func (d *drv) fillTable(gpa uint64, ss []segment) uint32 {
	n := len(ss)
	b := d.g.at(gpa, n*descSize)
	for i, s := range ss {
		if d.conf.packed {
			putPacked(b[descSize*i:], s.gpa, s.n, 0xffff, writeFlag(s)|descNext) // NEXT means nothing here
			continue
		}
		at, next, flags := (n-i)%n, uint16(0xffff), writeFlag(s)
		if i+1 < n {
			next, flags = uint16(n-i-1), flags|descNext
		}
		putDesc(b[descSize*at:], s.gpa, s.n, flags, next)
	}
	return uint32(n * descSize)
}

func putPacked(b []byte, addr uint64, n uint32, name, flags uint16) { putDesc(b, addr, n, name, flags) }

func (d *drv) addPacked(ss []segment, direct, slots int) (name uint16) {
	name = d.free[len(d.free)-1]
	d.free = d.free[:len(d.free)-1]
	for i := range slots {
		e := segment{d.table(name), 0, false}
		flags := uint16(descIndirect)
		if i < direct {
			e, flags = ss[i], writeFlag(ss[i])
		} else {
			e.n = d.fillTable(e.gpa, ss[direct:])
		}
		if i+1 < slots {
			flags |= descNext
		}
		if d.next.wrap {
			flags |= descAvail
		} else {
			flags |= descUsed
		}
		b := d.desc[descSize*d.next.at:]
		binary.LittleEndian.PutUint64(b, e.gpa)
		binary.LittleEndian.PutUint32(b[8:], e.n)
		if w := uint32(name) | uint32(flags)<<16; !d.held {
			d.held, d.shared, d.sharedOff = true, w, descSize*d.next.at+12
		} else {
			binary.LittleEndian.PutUint32(b[12:], w)
		}
		d.next.advance(1, d.conf.size)
	}
	d.room -= uint32(slots)
	d.unkicked += uint16(slots)
	d.sent[name] = sent{slots: uint32(slots)}
	return name
}

// publish shows the device what was added and says whether it wants a kick.
func (d *drv) publish() (kick bool) {
	n := d.unkicked
	d.unkicked = 0
	if d.conf.packed {
		if d.held {
			d.held = false
			word(d.desc, d.sharedOff).Store(d.shared)
		}
		fence()
		area := word(d.used, 0).Load()
		if area>>16 != eventDesc {
			return area>>16 == eventEnable
		}
		event := uint16(area & 0x7fff)
		if positionOf(area&0xffff).wrap != d.next.wrap {
			event -= uint16(d.conf.size)
		}
		return uint16(d.next.at)-event-1 < n
	}
	flags := word(d.avail, 0).Load() & 0xffff
	word(d.avail, 0).Store(flags | uint32(d.added)<<16)
	fence()
	if d.conf.eventIdx {
		return d.added-*half(d.used, 4+8*d.conf.size)-1 < n
	}
	return word(d.used, 0).Load()&noNotify == 0
}

// wake asks for an interrupt; with event indexes, when entry number ahead (from 0) of those that come is there. An entry
// is a chain, of a packed queue a descriptor.
func (d *drv) wake(ahead int) {
	switch {
	case d.conf.packed && d.conf.eventIdx:
		at := d.last
		at.advance(uint32(ahead), d.conf.size)
		word(d.avail, 0).Store(eventDesc<<16 | at.half())
	case d.conf.packed:
		word(d.avail, 0).Store(eventEnable << 16)
	case d.conf.eventIdx:
		*half(d.avail, 4+2*d.conf.size) = d.collected + uint16(ahead)
	default:
		word(d.avail, 0).And(^uint32(noInterrupt))
	}
	fence()
}

// quiet asks for no interrupts; with a split queue's event indexes there is no way to.
func (d *drv) quiet() {
	switch {
	case d.conf.packed:
		word(d.avail, 0).Store(eventDisable << 16)
	case !d.conf.eventIdx:
		word(d.avail, 0).Or(noInterrupt)
	}
}

// more says whether there is something to collect.
func (d *drv) more() bool {
	if d.conf.packed {
		flags := word(d.desc, descSize*d.last.at+12).Load() >> 16
		return flags&descAvail != 0 == d.last.wrap && flags&descUsed != 0 == d.last.wrap
	}
	return uint16(word(d.used, 0).Load()>>16) != d.collected
}

// collect takes the next chain that the device gave back.
func (d *drv) collect(t fataler) (name uint16, n, slots uint32, ok bool) {
	if !d.more() {
		return 0, 0, 0, false
	}
	if d.conf.packed {
		b := d.desc[descSize*d.last.at:]
		name, n = binary.LittleEndian.Uint16(b[12:]), binary.LittleEndian.Uint32(b[8:])
		if written := binary.LittleEndian.Uint16(b[14:])&descWrite != 0; written != (n > 0) {
			t.Fatalf("used descriptor of length %d has flag WRITE %v", n, written)
		}
	} else {
		b := d.used[4+8*(uint32(d.collected)&(d.conf.size-1)):]
		name, n = uint16(binary.LittleEndian.Uint32(b)), binary.LittleEndian.Uint32(b[4:])
	}
	s, ok := d.sent[name]
	if !ok {
		t.Fatalf("the device gave chain %d back, which it does not have", name)
	}
	delete(d.sent, name)
	if d.conf.packed {
		d.last.advance(s.slots, d.conf.size)
		d.room += s.slots
		d.free = append(d.free, name)
	} else {
		d.collected++
		d.free = append(d.free, s.descs...)
	}
	return name, n, s.slots, true
}
