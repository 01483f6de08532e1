//go:build linux

package vring

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// BenchmarkVirtq is pop, push and flush of a chain of two descriptors to read and two to write, with the reply's header
// written; the driver's part is included, which publishes a chain that lies ready. batch: chains to a flush.
func BenchmarkVirtq(b *testing.B) {
	for _, packed := range []bool{false, true} {
		for _, table := range []bool{false, true} {
			for _, batch := range []int{1, 16} {
				b.Run(fmt.Sprintf("packed=%v,indirect=%v,batch=%d", packed, table, batch), func(b *testing.B) { benchVirtq(b, packed, table, batch) })
			}
		}
	}
}

func benchVirtq(b *testing.B, packed, table bool, batch int) {
	g := newGuest(b)
	c := ringConfig(128, packed, true, true)
	ready := newReady(g, c, table)
	q, err := newVirtq(g.m, c)
	if err != nil {
		b.Fatal(err)
	}
	chains := make([]chain, batch)
	var head [16]byte
	b.ReportAllocs()
	for b.Loop() {
		ready.publish(batch)
		for i := range chains {
			if ok, err := q.pop(&chains[i]); !ok {
				b.Fatalf("pop: %v", err)
			}
		}
		for i := range chains {
			ch := &chains[i]
			if ch.inLen != 40+64 || ch.outLen != 16+4096 {
				b.Fatalf("%d and %d bytes", ch.inLen, ch.outLen)
			}
			ch.copyOut(head[:])
			q.push(ch.head, ch.descs, 16)
		}
		q.flush()
		q.await()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(batch), "ns/chain")
	b.ReportMetric(0, "ns/op")
}

// TestAllocs: a chain that is used again keeps its arrays, whatever was dropped from them.
func TestAllocs(t *testing.T) {
	for _, packed := range []bool{false, true} {
		g := newGuest(t)
		c := ringConfig(128, packed, true, true)
		ready := newReady(g, c, true)
		q, err := newVirtq(g.m, c)
		if err != nil {
			t.Fatal(err)
		}
		var ch chain
		allocs := testing.AllocsPerRun(1000, func() {
			ready.publish(1)
			if ok, err := q.pop(&ch); !ok {
				t.Fatalf("pop: %v", err)
			}
			ch.skipIn(ch.inLen)
			ch.skipOut(ch.outLen)
			q.push(ch.head, ch.descs, 16)
			q.flush()
		})
		if allocs > 0 {
			t.Errorf("packed %v: %v allocations for a chain", packed, allocs)
		}
	}
}

// ready is a driver whose ring is full of equal chains that only have to be published.
type ready struct {
	d     *drv
	slots uint32
	lap   [][3]uint32 // packed: length, name and flags of each descriptor
	at    position
	index uint16 // split
}

func newReady(g *guest, c virtqConfig, table bool) *ready {
	d := newDrv(g, c)
	ss := []segment{{guestHigh, 40, false}, {guestHigh + 0x1000, 64, false}, {guestHigh + 0x2000, 16, true}, {guestHigh + 0x3000, 4096, true}}
	direct := len(ss)
	if table {
		direct = 0
	}
	for d.fits(ringSlots(ss, direct)) {
		d.add(ss, direct)
	}
	r := &ready{d: d, slots: uint32(ringSlots(ss, direct)), at: positionOf(c.base)}
	if c.packed {
		word(d.desc, d.sharedOff).Store(d.shared)
		for i := range c.size {
			n, name, flags := word(d.desc, descSize*i+8), half(d.desc, descSize*i+12), half(d.desc, descSize*i+14)
			r.lap = append(r.lap, [3]uint32{n.Load(), uint32(*name), uint32(*flags)})
			*flags &^= descAvail // not yet
		}
		return r
	}
	// A lap of the avail ring names the same few chains again and again.
	for i := range c.size {
		*half(d.avail, 4+2*i) = *half(d.avail, 4+2*(i%(c.size/r.slots)))
	}
	return r
}

func (r *ready) publish(n int) {
	if !r.d.conf.packed {
		r.index += uint16(n)
		word(r.d.avail, 0).Store(uint32(r.index) << 16)
		return
	}
	for range n {
		for i := range r.slots { // the device wrote over the lap before
			off, d := descSize*(r.at.at+i), r.lap[r.at.at+i]
			if !r.at.wrap {
				d[2] ^= descAvail | descUsed
			}
			binary.LittleEndian.PutUint32(r.d.desc[off+8:], d[0])
			*half(r.d.desc, off+12) = uint16(d[1])
			*half(r.d.desc, off+14) = uint16(d[2])
		}
		r.at.advance(r.slots, r.d.conf.size)
	}
}
