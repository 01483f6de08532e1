//go:build linux

package vring

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/fastfsd/fastfsd/ring"
)

// Limits, and flags of descriptors (include/uapi/linux/virtio_ring.h).
const (
	maxQueueSize = 1 << 15

	// maxTableChain is how long a chain in an indirect table may be where the queue is shorter: drivers make them, and other
	// devices take as many.
	maxTableChain = 1024

	descSize     = 16
	descNext     = 1 << 0
	descWrite    = 1 << 1
	descIndirect = 1 << 2
)

// virtqConfig is a virtqueue as the front-end sets it up. The addresses are the front-end's.
type virtqConfig struct {
	size                       uint32
	desc, avail, used          uint64
	packed, eventIdx, indirect bool
	base                       uint32    // where to go on, as GET_VRING_BASE gave it
	dirty                      *dirtyLog // nil: writes are not logged
	logUsed                    uint64    // guest address of the used ring for the log; 0: the rings are not logged
}

// virtq is the device's side of a virtqueue. It belongs to one thread at a time.
//
// Whatever the driver writes is loaded once, then checked, then used. An index that the driver writes is loaded
// atomically before what it publishes, and ours is stored atomically after it. Two questions need a full fence, because
// each side stores a word and then looks at one of the other's: does the driver want an interrupt for what was just
// published (flush), and did it add something before it saw that kicks are wanted (await).
type virtq struct {
	conf  virtqConfig
	mem   *Memory
	near  *mapping // where the last buffer was
	nearT *mapping // where the last indirect table was
	err   error    // what broke the queue
	desc  []byte   // the rings; of a packed queue avail and used are the event areas
	avail []byte
	used  []byte

	held    []uint64 // the names of the chains in flight, a bit each
	flying  int      // how many
	pending uint32   // pushed since the last flush
	fresh   bool     // nothing was flushed yet: what the driver knows is unknown
	split   splitState
	packed  packedState
}

// newVirtq makes the device's side of a queue.
func newVirtq(m *Memory, c virtqConfig) (*virtq, error) {
	if c.size == 0 || c.size > maxQueueSize || !c.packed && bits.OnesCount32(c.size) != 1 {
		return nil, fmt.Errorf("vring: a queue of %d descriptors: want 1 to %d, of a split queue a power of two", c.size, maxQueueSize)
	}
	q := &virtq{conf: c, fresh: true}
	if err := q.setMemory(m); err != nil {
		return nil, err
	}
	if c.packed {
		q.held = make([]uint64, 1<<16/64) // a packed queue's driver gives names as it likes
		return q, q.startPacked()
	}
	q.held = make([]uint64, (c.size+63)/64)
	q.startSplit()
	return q, nil
}

// setMemory has the queue go on in a newer version of its memory.
// Preconditions: no chain is in flight that uses a region which m lacks.
func (q *virtq) setMemory(m *Memory) error {
	availSize, usedSize := splitSizes(q.conf.size)
	if q.conf.packed {
		availSize, usedSize = eventSize, eventSize
	}
	var desc, avail, used []byte
	for _, a := range []struct {
		to      *[]byte
		name    string
		uva     uint64
		n       uint64
		aligned uintptr
	}{
		{&desc, "descriptors", q.conf.desc, descSize * uint64(q.conf.size), descSize},
		{&avail, "driver's area", q.conf.avail, availSize, 4}, // the specification wants 2; Go has no 16-bit atomics
		{&used, "device's area", q.conf.used, usedSize, 4},
	} {
		b := m.user(a.uva, a.n)
		if b == nil {
			return fmt.Errorf("vring: %s of a queue at %#x: its %d bytes are not in one region of guest memory", a.name, a.uva, a.n)
		}
		if address(b)%a.aligned != 0 {
			return fmt.Errorf("vring: %s of a queue at %#x: want an address that is a multiple of %d", a.name, a.uva, a.aligned)
		}
		*a.to = b
	}
	q.mem, q.near, q.nearT, q.desc, q.avail, q.used = m, nil, nil, desc, avail, used
	return nil
}

// setDirty has the writes logged in d from now on, or nowhere (nil), and those to the used ring at guest address logUsed.
func (q *virtq) setDirty(d *dirtyLog, logUsed uint64) { q.conf.dirty, q.conf.logUsed = d, logUsed }

// pop takes the next chain, if there is one. An error says how the driver broke the queue: for good.
func (q *virtq) pop(c *chain) (ok bool, err error) {
	if q.err != nil {
		return false, q.err
	}
	c.reset()
	if q.conf.packed {
		ok, err = q.popPacked(c)
	} else {
		ok, err = q.popSplit(c)
	}
	c.inRoom, c.outRoom = c.in, c.out
	if err != nil {
		q.err = err
		return false, err
	}
	return ok, nil
}

// push gives a chain back that got n bytes. The driver sees it after flush.
func (q *virtq) push(head, descs uint16, n uint32) {
	bit := uint64(1) << (head % 64)
	if q.held[head/64]&bit == 0 {
		panic(fmt.Sprintf("vring: chain %d was given back, which is not in flight", head))
	}
	q.held[head/64] &^= bit
	q.flying--
	q.pending++
	if q.conf.packed {
		q.pushPacked(head, descs, n)
	} else {
		q.pushSplit(head, n)
	}
}

// hold notes that the chain named head is in flight; false: it is already.
func (q *virtq) hold(head uint16) bool {
	bit := uint64(1) << (head % 64)
	if q.held[head/64]&bit != 0 {
		return false
	}
	q.held[head/64] |= bit
	q.flying++
	return true
}

// flush publishes what was pushed and says whether the driver wants an interrupt.
func (q *virtq) flush() (interrupt bool) {
	if q.pending == 0 {
		return false
	}
	if q.conf.packed {
		interrupt = q.flushPacked()
	} else {
		interrupt = q.flushSplit()
	}
	q.pending, q.fresh = 0, false
	return interrupt
}

// suppress tells the driver that kicks are not wanted.
func (q *virtq) suppress() {
	if q.conf.packed {
		q.suppressPacked()
	} else {
		q.suppressSplit()
	}
}

// await tells the driver that kicks are wanted for what it adds from now on, and looks again: more says that something
// is there, for which no kick may come.
func (q *virtq) await() (more bool) {
	if q.conf.packed {
		return q.awaitPacked()
	}
	return q.awaitSplit()
}

// base is where the queue stopped, as GET_VRING_BASE gives it.
func (q *virtq) base() uint32 {
	if q.conf.packed {
		return q.packed.base()
	}
	return uint32(q.split.next)
}

// inFlight is the number of chains that were popped and not pushed.
func (q *virtq) inFlight() int { return q.flying }

// dirtied notes in the dirty log, if there is one, that the first n bytes of iovs were written.
func (q *virtq) dirtied(iovs []ring.Iovec, n uint32) {
	if q.conf.dirty == nil {
		return
	}
	for _, v := range iovs {
		if n == 0 {
			return
		}
		k := min(uint32(v.Len), n)
		n -= k
		if r := q.mem.guest(v.Base); r != nil {
			q.conf.dirty.mark(r.GPA+uint64(v.Base-r.host), uint64(k))
		}
	}
}

// dirtiedUsed does the same for n bytes of the used ring from off.
func (q *virtq) dirtiedUsed(off, n uint32) {
	if q.conf.dirty != nil && q.conf.logUsed != 0 {
		q.conf.dirty.mark(q.conf.logUsed+uint64(off), uint64(n))
	}
}

// find is the region that has gpa, or nil. near is the one of the last time, which it mostly is again.
func (q *virtq) find(near **mapping, gpa uint64) *mapping {
	if r := *near; r != nil && gpa-r.GPA < r.Size {
		return r
	}
	r := q.mem.find(gpa)
	if r != nil {
		*near = r
	}
	return r
}

// desc is a descriptor: of a split queue link is the next one's index, of a packed one it is the buffer's name.
type desc struct {
	addr        uint64
	n           uint32
	flags, link uint16
}

// splitDesc loads a descriptor of a split queue, each byte once.
func splitDesc(b []byte) desc {
	w := binary.LittleEndian.Uint64(b[8:16])
	return desc{addr: binary.LittleEndian.Uint64(b[:8]), n: uint32(w), flags: uint16(w >> 32), link: uint16(w >> 48)}
}

// extend adds what d names to the chain.
func (q *virtq) extend(c *chain, d desc) error {
	write := d.flags&descWrite != 0
	if !write && c.writing {
		return fmt.Errorf("vring: a descriptor for reading follows one for writing")
	}
	c.writing = write
	if uint64(c.inLen)+uint64(c.outLen)+uint64(d.n) > math.MaxUint32 {
		return fmt.Errorf("vring: a chain of 4 GiB and more")
	}
	if write {
		c.outLen += d.n
	} else {
		c.inLen += d.n
	}
	if d.n > 0 && d.addr+uint64(d.n-1) < d.addr {
		return fmt.Errorf("vring: a descriptor of %d bytes at %#x, which goes past the end of the address space", d.n, d.addr)
	}
	for n := uint64(d.n); n > 0; {
		r := q.find(&q.near, d.addr)
		if r == nil {
			return fmt.Errorf("vring: a descriptor names %#x, which is not in guest memory", d.addr)
		}
		off := d.addr - r.GPA
		k := min(n, r.Size-off)
		if write {
			c.out = piece(c.out, r.host+uintptr(off), uintptr(k), off == 0)
		} else {
			c.in = piece(c.in, r.host+uintptr(off), uintptr(k), off == 0)
		}
		d.addr += k
		n -= k
	}
	if len(c.in)+len(c.out) > 2*int(max(q.conf.size, maxTableChain)) {
		return fmt.Errorf("vring: a chain in %d pieces", len(c.in)+len(c.out))
	}
	return nil
}

// table adds the chain in the indirect table that d names. In a split queue's table descriptors are linked, in a packed
// one's they follow each other.
func (q *virtq) table(c *chain, d desc) error {
	switch {
	case !q.conf.indirect:
		return fmt.Errorf("vring: an indirect descriptor, which was not negotiated")
	case d.flags&descNext != 0:
		return fmt.Errorf("vring: an indirect descriptor that has a next one")
	case d.n == 0 || d.n%descSize != 0 || d.n/descSize > max(q.conf.size, maxTableChain):
		return fmt.Errorf("vring: an indirect table of %d bytes: want a multiple of %d, at most %d descriptors", d.n, descSize, max(q.conf.size, maxTableChain))
	}
	count := d.n / descSize
	for i, left := uint32(0), count; ; left-- {
		if left == 0 {
			return fmt.Errorf("vring: a chain that does not end in its indirect table")
		}
		e, err := q.tableDesc(d.addr + uint64(i)*descSize)
		if err != nil {
			return err
		}
		if e.flags&descIndirect != 0 {
			return fmt.Errorf("vring: an indirect descriptor in an indirect table")
		}
		if err := q.extend(c, e); err != nil {
			return err
		}
		if q.conf.packed {
			i++
			if i == count {
				return nil
			}
			continue
		}
		if e.flags&descNext == 0 {
			return nil
		}
		i = uint32(e.link)
		if i >= count {
			return fmt.Errorf("vring: descriptor %d of an indirect table of %d", i, count)
		}
	}
}

// tableDesc loads the descriptor of a table at gpa.
func (q *virtq) tableDesc(gpa uint64) (desc, error) {
	r := q.find(&q.nearT, gpa)
	if r == nil || r.Size-(gpa-r.GPA) < descSize {
		return desc{}, fmt.Errorf("vring: an indirect table's descriptor at %#x is not in one region of guest memory", gpa)
	}
	b := view(r.host+uintptr(gpa-r.GPA), descSize)
	if q.conf.packed {
		return packedDesc(b), nil
	}
	return splitDesc(b), nil
}
