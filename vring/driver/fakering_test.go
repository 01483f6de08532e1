//go:build linux

package driver

import (
	"sync/atomic"
	"testing"
)

// fakeRing is a device's side of a queue, written from the specification, for the tests. It trusts the driver and fails the test where
// that is wrong.
type fakeRing struct {
	testing.TB
	m             *Memory
	size          int
	packed, event bool
	indirect      bool

	desc     []byte
	avail    []byte // of a packed ring: the driver's event area
	used     []byte // of a packed ring: the device's
	at       int    // next to pop; of a split ring it runs freely, as usedAt
	usedAt   int
	wrap     bool // at at
	usedWrap bool // at usedAt
	signal   int  // used position at the last look whether an interrupt is wanted
	sigWrap  bool
	moved    int // descriptors, or chains, pushed since then
}

// fakeChain is what the device popped.
type fakeChain struct {
	id      uint16
	descs   int // places in a packed ring
	in, out []Segment
}

func newFakeRing(t testing.TB, m *Memory, q *Queue, size int, features uint64) *fakeRing {
	f := &fakeRing{TB: t, m: m, size: size, wrap: true, usedWrap: true, sigWrap: true}
	f.packed, f.event = features&FeatureRingPacked != 0, features&FeatureEventIdx != 0
	f.indirect = features&FeatureIndirect != 0
	f.desc, f.avail, f.used = q.Areas()
	return f
}

// pop takes the next chain.
func (f *fakeRing) pop() (c fakeChain, ok bool) {
	f.Helper()
	if f.packed {
		return f.popPacked()
	}
	if uint16(f.at) == uint16(atomic.LoadUint32(&words(f.avail)[0])>>16) {
		return c, false
	}
	c.id = halves(f.avail)[2+f.at&(f.size-1)]
	c.descs = 1
	f.at = int(uint16(f.at + 1))
	table, i := descs(f.desc), c.id
	if d := table[i]; d.flags&descIndirect != 0 {
		if !f.indirect || d.flags&descNext != 0 {
			f.Fatalf("descriptor %d is indirect, flags %#x", i, d.flags)
		}
		table, i = descs(f.bytes(Segment{d.addr, d.len})), 0
	}
	for range len(table) {
		c.add(f, table[i].addr, table[i].len, table[i].flags)
		if table[i].flags&descNext == 0 {
			return c, true
		}
		i = table[i].next
	}
	f.Fatalf("chain %d does not end", c.id)
	return c, false
}

func (f *fakeRing) popPacked() (c fakeChain, ok bool) {
	f.Helper()
	for {
		d := packedDescs(f.desc)[f.at]
		flags := uint16(atomic.LoadUint32(&words(f.desc)[4*f.at+3]) >> 16)
		if (flags&packedAvail != 0) != f.wrap || (flags&packedUsed != 0) == f.wrap {
			if c.descs > 0 {
				f.Fatalf("a chain's descriptor at %d is not available, though its first one is", f.at)
			}
			return c, false
		}
		d = packedDescs(f.desc)[f.at]
		f.at, f.wrap = f.after(f.at, f.wrap, 1)
		c.descs++
		c.id = d.id
		if flags&descIndirect != 0 {
			if !f.indirect || flags&descNext != 0 || c.descs > 1 {
				f.Fatalf("an indirect descriptor, flags %#x", flags)
			}
			for _, e := range packedDescs(f.bytes(Segment{d.addr, d.len})) {
				c.add(f, e.addr, e.len, e.flags)
			}
			return c, true
		}
		c.add(f, d.addr, d.len, flags)
		if flags&descNext == 0 {
			return c, true
		}
	}
}

func (c *fakeChain) add(f *fakeRing, addr uint64, n uint32, flags uint16) {
	f.Helper()
	if flags&descWrite != 0 {
		c.out = append(c.out, Segment{addr, n})
		return
	}
	if len(c.out) > 0 {
		f.Fatalf("chain %d: a buffer to read after one to write", c.id)
	}
	c.in = append(c.in, Segment{addr, n})
}

// after is a position n places further on.
func (f *fakeRing) after(at int, wrap bool, n int) (int, bool) {
	if at += n; at >= f.size {
		return at - f.size, !wrap
	}
	return at, wrap
}

// bytes is guest memory.
func (f *fakeRing) bytes(s Segment) []byte {
	f.Helper()
	off := s.Addr - guestBase
	if off+uint64(s.Len) > uint64(len(f.m.b)) {
		f.Fatalf("%d bytes at %#x are not in guest memory", s.Len, s.Addr)
	}
	return f.m.b[off:][:s.Len]
}

// push gives a chain back, n bytes written.
func (f *fakeRing) push(c fakeChain, n uint32) {
	f.moved++
	if !f.packed {
		e := words(f.used)[1+2*(f.usedAt&(f.size-1)):]
		e[0], e[1] = uint32(c.id), n
		f.usedAt = int(uint16(f.usedAt + 1))
		flags := uint32(uint16(words(f.used)[0]))
		atomic.StoreUint32(&words(f.used)[0], flags|uint32(f.usedAt)<<16)
		return
	}
	f.moved += c.descs - 1
	packedDescs(f.desc)[f.usedAt].len = n
	w := uint32(c.id)
	if f.usedWrap {
		w |= (packedAvail | packedUsed) << 16
	}
	atomic.StoreUint32(&words(f.desc)[4*f.usedAt+3], w)
	f.usedAt, f.usedWrap = f.after(f.usedAt, f.usedWrap, c.descs)
}

// interrupt says whether the driver wants one for what was pushed since the last call.
func (f *fakeRing) interrupt() bool {
	moved, from := f.moved, f.signal
	f.moved, f.signal = 0, f.usedAt
	if !f.packed {
		if !f.event {
			return uint16(atomic.LoadUint32(&words(f.avail)[0]))&availNoInterrupt == 0
		}
		event := uint16(atomic.LoadUint32(&words(f.avail)[1+f.size/2]))
		return passed(int(event), from, moved, 1<<16)
	}
	event := atomic.LoadUint32(&words(f.avail)[0])
	fromWrap := f.sigWrap
	f.sigWrap = f.usedWrap
	switch event >> 16 & 3 {
	case 0:
		return true
	case eventDisable:
		return false
	}
	at := int(event &^ (eventWrap | 3<<16))
	return passed(f.lap(at, event&eventWrap != 0), f.lap(from, fromWrap), moved, 2*f.size)
}

// lap makes a position and its wrap counter one number, from 0 to twice the size.
func (f *fakeRing) lap(at int, wrap bool) int {
	if wrap {
		return at
	}
	return at + f.size
}

// passed says whether place is one of the n from start on, counted modulo mod.
func passed(place, start, n, mod int) bool { return (place-start+mod)%mod < n }

// listen says whether kicks are wanted from the next chain on.
func (f *fakeRing) listen(on bool) {
	switch {
	case f.packed && f.event && on:
		w := uint32(f.at) | eventDesc<<16
		if f.wrap {
			w |= eventWrap
		}
		atomic.StoreUint32(&words(f.used)[0], w)
	case f.packed && on:
		atomic.StoreUint32(&words(f.used)[0], 0)
	case f.packed:
		atomic.StoreUint32(&words(f.used)[0], eventDisable<<16)
	case f.event && on:
		atomic.StoreUint32(&words(f.used)[1+2*f.size], uint32(uint16(f.at)))
	case f.event: // an event that has passed is silent
	case on:
		atomic.StoreUint32(&words(f.used)[0], uint32(f.usedAt)<<16)
	default:
		atomic.StoreUint32(&words(f.used)[0], uint32(f.usedAt)<<16|usedNoNotify)
	}
}
