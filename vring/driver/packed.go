//go:build linux

package driver

import (
	"fmt"
	"sync/atomic"
)

// packedDesc is struct vring_packed_desc.
type packedDesc struct {
	addr  uint64
	len   uint32
	id    uint16
	flags uint16
}

const (
	packedAvail = 1 << 7  // VRING_PACKED_DESC_F_AVAIL
	packedUsed  = 1 << 15 // VRING_PACKED_DESC_F_USED

	eventDisable = 1 // VRING_PACKED_EVENT_FLAG_DISABLE
	eventDesc    = 2 // VRING_PACKED_EVENT_FLAG_DESC: at a position, with EVENT_IDX
	eventWrap    = 1 << 15
)

// packed is the packed virtqueue (virtio 1.2, 2.8). Positions run from 0 to size-1; a wrap counter turns over at each lap.
type packed struct {
	geometry
	desc   []packedDesc
	words  []uint32 // the same memory: a descriptor's last word is id | flags<<16
	driver []uint32 // off_wrap | flags<<16: when we want to be told
	device []uint32 // when the device wants to be told

	idle   []uint16 // ids
	nfree  int      // descriptors
	flight []uint16 // descriptors of the chain with this id, 0: not in flight

	avail, used position
	added       int  // descriptors since the last kick
	disarmed    bool // no interrupts are wanted
}

// position is a place in the ring and the wrap counter there.
type position struct {
	at   int
	wrap bool
}

func (p *position) advance(n, size int) {
	if p.at += n; p.at >= size {
		p.at -= size
		p.wrap = !p.wrap
	}
}

// offWrap is the position as event areas have it.
func (p position) offWrap() uint32 {
	if p.wrap {
		return uint32(p.at) | eventWrap
	}
	return uint32(p.at)
}

// availFlags mark a descriptor available at p: AVAIL as the wrap counter, USED the inverse.
func (p position) availFlags() uint16 {
	if p.wrap {
		return packedAvail
	}
	return packedUsed
}

// isUsed says whether a descriptor's flags mark it used at p: both as the wrap counter.
func (p position) isUsed(flags uint16) bool {
	return (flags&packedAvail != 0) == p.wrap && (flags&packedUsed != 0) == p.wrap
}

func newPacked(g geometry) *packed {
	p := &packed{geometry: g, flight: make([]uint16, g.size), nfree: g.size}
	p.avail.wrap, p.used.wrap = true, true
	p.desc, p.words = packedDescs(g.area[0]), words(g.area[0])
	p.driver, p.device = words(g.area[1]), words(g.area[2])
	for i := range g.size {
		p.idle = append(p.idle, uint16(g.size-1-i))
	}
	return p
}

func (p *packed) add(in, out []Segment) (uint16, error) {
	n := len(in) + len(out)
	if n == 0 || n > p.maxChain() {
		return 0, fmt.Errorf("driver: a chain of %d buffers: from 1 to %d are possible", n, p.maxChain())
	}
	table := p.indirect && n > 1
	need := n
	if table {
		need = 1
	}
	if p.nfree < need {
		return 0, ErrFull
	}
	id := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	first, firstFlags := p.avail.at, uint16(0)
	for i := range need {
		d := chainDesc(in, out, i)
		if table {
			d = p.fillTable(id, in, out)
		}
		d.flags |= p.avail.availFlags()
		at := &p.desc[p.avail.at]
		at.addr, at.len = d.addr, d.len
		if i == 0 {
			firstFlags = d.flags // the chain is there when these are
		} else {
			at.id, at.flags = id, d.flags
		}
		p.avail.advance(1, p.size)
	}
	atomic.StoreUint32(&p.words[4*first+3], uint32(id)|uint32(firstFlags)<<16)
	p.nfree -= need
	p.added += need
	p.flight[id] = uint16(need)
	return id, nil
}

// fillTable makes a chain's indirect table and the descriptor that names it. In a packed table only WRITE counts.
func (p *packed) fillTable(id uint16, in, out []Segment) desc {
	t := packedDescs(p.table(id))
	n := len(in) + len(out)
	for i := range n {
		d := chainDesc(in, out, i)
		t[i] = packedDesc{addr: d.addr, len: d.len, flags: d.flags & descWrite}
	}
	return desc{addr: p.tableAddr(id), len: uint32(n * descSize), flags: descIndirect}
}

func (p *packed) needKick() bool {
	added := p.added
	p.added = 0
	if added == 0 {
		return false
	}
	event := atomic.LoadUint32(&p.device[0])
	if flags := event >> 16 & 3; flags != eventDesc {
		return flags != eventDisable
	}
	at := uint16(event) &^ eventWrap
	if (event&eventWrap != 0) != p.avail.wrap {
		at -= uint16(p.size)
	}
	now := uint16(p.avail.at)
	return needEvent(at, now, now-uint16(added))
}

func (p *packed) poll() (id uint16, n uint32, ok bool, err error) {
	at := p.used.at
	w := atomic.LoadUint32(&p.words[4*at+3])
	if !p.used.isUsed(uint16(w >> 16)) {
		return 0, 0, false, nil
	}
	id, n = uint16(w), p.desc[at].len
	if int(id) >= p.size || p.flight[id] == 0 {
		return 0, 0, false, fmt.Errorf("%w: id %d is used, which is not in flight", ErrDevice, id)
	}
	descs := int(p.flight[id])
	p.flight[id] = 0
	p.idle = append(p.idle, id)
	p.nfree += descs
	p.used.advance(descs, p.size)
	return id, n, true, nil
}

func (p *packed) arm() bool {
	p.disarmed = false
	if p.eventIdx {
		atomic.StoreUint32(&p.driver[0], p.used.offWrap()|eventDesc<<16)
	} else {
		atomic.StoreUint32(&p.driver[0], 0)
	}
	return p.used.isUsed(uint16(atomic.LoadUint32(&p.words[4*p.used.at+3]) >> 16))
}

func (p *packed) disarm() {
	if !p.disarmed {
		p.disarmed = true
		atomic.StoreUint32(&p.driver[0], eventDisable<<16)
	}
}

func (p *packed) free() int { return p.nfree }
