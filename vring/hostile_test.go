//go:build linux

package vring

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
)

// evil is a driver that writes what it likes: descriptors at their index, then heads in the avail ring. A packed queue's
// descriptors are made available, and heads are ignored.
type evil struct {
	name  string
	descs []desc
	heads []uint16
	index uint16 // of the avail ring; 0: as many as heads
	table []desc // at tableAt
	want  string // part of the error
	only  string // the layout for which the case makes sense; "": both
	plain bool   // INDIRECT was not negotiated
}

const (
	evilSize = 8
	tableAt  = guestHigh + 0x1000
)

// link is a descriptor that has a next one.
func link(next uint16, d desc) desc { d.flags, d.link = d.flags|descNext, next; return d }

func reads(n uint32) desc  { return desc{addr: guestHigh, n: n} }
func writes(n uint32) desc { return desc{addr: guestHigh, n: n, flags: descWrite} }

func indirect(n uint32) desc { return desc{addr: tableAt, n: n, flags: descIndirect} }

func loop(n int) (ds []desc) {
	for i := range n {
		ds = append(ds, link(uint16((i+1)%n), reads(1)))
	}
	return ds
}

var evils = []evil{
	{name: "head beyond the queue", heads: []uint16{evilSize}, want: "head 8", only: "split"},
	{name: "the highest head", heads: []uint16{0xffff}, want: "head 65535", only: "split"},
	{name: "index jumps", index: evilSize + 1, want: "went from 0 to 9", only: "split"},
	{name: "index goes back", index: 0xffff, want: "went from 0 to 65535", only: "split"},
	{name: "a head twice", descs: []desc{reads(1)}, heads: []uint16{0, 0}, want: "twice", only: "split"},
	{name: "a name twice", descs: []desc{reads(1), reads(1)}, want: "twice", only: "packed"},
	{name: "a descriptor that is its own next", descs: loop(1), heads: []uint16{0}, want: "longer than", only: "split"},
	{name: "a loop of two", descs: loop(2), heads: []uint16{0}, want: "longer than", only: "split"},
	{name: "a loop of all", descs: loop(evilSize), heads: []uint16{0}, want: "longer than"},
	{name: "next beyond the queue", descs: []desc{link(evilSize, reads(1))}, heads: []uint16{0}, want: "descriptor 8", only: "split"},
	{name: "4 GiB", descs: []desc{link(1, reads(0x1000)), reads(math.MaxUint32 - 0xfff)}, heads: []uint16{0}, want: "4 GiB"},
	{name: "4 GiB, both ways", descs: []desc{link(1, reads(0x1000)), writes(math.MaxUint32 - 0xfff)}, heads: []uint16{0}, want: "4 GiB"},
	{name: "read after write", descs: []desc{link(1, writes(1)), reads(1)}, heads: []uint16{0}, want: "follows one for writing"},
	{name: "empty read after empty write", descs: []desc{link(1, writes(0)), reads(0)}, heads: []uint16{0}, want: "follows one for writing"},
	{name: "address 0", descs: []desc{{addr: 0, n: 1}}, heads: []uint16{0}, want: "not in guest memory"},
	{name: "last address", descs: []desc{{addr: math.MaxUint64, n: 1}}, heads: []uint16{0}, want: "not in guest memory"},
	{name: "wraps", descs: []desc{{addr: math.MaxUint64, n: 2}}, heads: []uint16{0}, want: "past the end"},
	{name: "wraps into memory", descs: []desc{{addr: guestHigh + guestRegion - 1, n: math.MaxUint32}}, heads: []uint16{0}, want: "not in guest memory"},
	{name: "one byte before a region", descs: []desc{{addr: guestLow - 1, n: 2}}, heads: []uint16{0}, want: "not in guest memory"},
	{name: "ends in a hole", descs: []desc{{addr: guestMid + guestRegion - 1, n: 2}}, heads: []uint16{0}, want: "not in guest memory"},
	{name: "through both neighbours into a hole", descs: []desc{{addr: guestLow, n: 2*guestRegion + 1}}, heads: []uint16{0}, want: "not in guest memory"},
	{name: "indirect was not negotiated", descs: []desc{indirect(16)}, heads: []uint16{0}, table: []desc{reads(1)}, want: "not negotiated", plain: true},
	{name: "an empty table", descs: []desc{indirect(0)}, heads: []uint16{0}, want: "table of 0 bytes"},
	{name: "a table of part of a descriptor", descs: []desc{indirect(15)}, heads: []uint16{0}, want: "table of 15 bytes"},
	{name: "a table with something after it", descs: []desc{indirect(17)}, heads: []uint16{0}, want: "table of 17 bytes"},
	{name: "a huge table", descs: []desc{indirect(65536 * 16)}, heads: []uint16{0}, want: "table of 1048576 bytes"},
	{name: "a table of nearly 4 GiB", descs: []desc{indirect(math.MaxUint32 &^ 15)}, heads: []uint16{0}, want: "table of"},
	{name: "indirect and next", descs: []desc{link(1, indirect(16)), reads(1)}, heads: []uint16{0}, table: []desc{reads(1)}, want: "has a next one"},
	{name: "nested", descs: []desc{indirect(16)}, heads: []uint16{0}, table: []desc{indirect(16)}, want: "in an indirect table"},
	{name: "a table in a hole", descs: []desc{{addr: 64, n: 16, flags: descIndirect}}, heads: []uint16{0}, want: "not in one region"},
	{name: "a table that ends in a hole", descs: []desc{{addr: guestMid + guestRegion - 8, n: 16, flags: descIndirect}}, heads: []uint16{0}, want: "not in one region"},
	{name: "a descriptor of the table across regions", descs: []desc{{addr: guestMid - 8, n: 16, flags: descIndirect}}, heads: []uint16{0}, want: "not in one region"},
	{name: "a table that wraps", descs: []desc{{addr: math.MaxUint64 - 15, n: 32, flags: descIndirect}}, heads: []uint16{0}, want: "not in one region"},
	{name: "a loop in the table", descs: []desc{indirect(32)}, heads: []uint16{0}, table: loop(2), want: "does not end", only: "split"},
	{name: "next beyond the table", descs: []desc{indirect(16)}, heads: []uint16{0}, table: []desc{link(1, reads(1))}, want: "descriptor 1 of", only: "split"},
	{name: "read after write, in a table", descs: []desc{link(1, writes(1)), indirect(16)}, heads: []uint16{0}, table: []desc{reads(1)}, want: "follows one for writing"},
}

func (e *evil) write(g *guest, c virtqConfig) {
	d := newDrv(g, c)
	for i, s := range e.descs {
		e.put(c, d.desc[descSize*i:], s, true)
	}
	for i, s := range e.table {
		e.put(c, g.at(tableAt+uint64(i)*descSize, descSize), s, false)
	}
	if !c.packed {
		for i, h := range e.heads {
			binary.LittleEndian.PutUint16(d.avail[4+2*i:], h)
		}
		index := e.index
		if index == 0 {
			index = uint16(len(e.heads))
		}
		word(d.avail, 0).Store(uint32(index) << 16)
	}
}

func (e *evil) put(c virtqConfig, b []byte, s desc, inRing bool) {
	if !c.packed {
		putDesc(b, s.addr, s.n, s.flags, s.link)
		return
	}
	if inRing {
		s.flags |= descAvail
	}
	putPacked(b, s.addr, s.n, 0, s.flags)
}

func TestHostileDriver(t *testing.T) {
	g := newGuest(t)
	for _, layout := range []string{"split", "packed"} {
		for _, e := range evils {
			if e.only != "" && e.only != layout {
				continue
			}
			t.Run(layout+"/"+e.name, func(t *testing.T) {
				c := ringConfig(evilSize, layout == "packed", false, !e.plain)
				e.write(g, c)
				q, err := newVirtq(g.m, c)
				if err != nil {
					t.Fatal(err)
				}
				ch, got := popAll(q, evilSize)
				if got == nil || !strings.Contains(got.Error(), e.want) {
					t.Fatalf("%d chains, %v; want an error with %q", len(ch), got, e.want)
				}
				if ok, again := q.pop(new(chain)); ok || !errors.Is(again, got) {
					t.Errorf("pop after the error: %v, %v", ok, again)
				}
				for _, h := range ch { // those before it still go back
					q.push(h.head, h.descs, 0)
				}
				q.flush()
			})
		}
	}
}

// popAll takes up to n chains, and one more.
func popAll(q *virtq, n int) (cs []chain, err error) {
	for range n + 1 {
		var c chain
		ok, err := q.pop(&c)
		if !ok {
			return cs, err
		}
		cs = append(cs, c)
	}
	return cs, nil
}

// TestOddChains are strange, and allowed.
func TestOddChains(t *testing.T) {
	long := make([]desc, maxTableChain)
	for i := range long {
		long[i] = link(uint16(i+1), desc{addr: guestHigh + 0x8000 + uint64(i)*2, n: 1})
	}
	long[len(long)-1].flags = 0
	g := newGuest(t)
	for _, layout := range []string{"split", "packed"} {
		for _, c := range []struct {
			e             evil
			in, out       int
			inLen, outLen uint32
		}{
			{evil{name: "empty", descs: []desc{link(1, reads(0)), writes(0)}, heads: []uint16{0}}, 0, 0, 0, 0},
			{evil{name: "an empty one of no memory", descs: []desc{{addr: math.MaxUint64, n: 0}}, heads: []uint16{0}}, 0, 0, 0, 0},
			{evil{name: "only to write", descs: []desc{writes(5)}, heads: []uint16{0}}, 0, 1, 0, 5},
			{evil{name: "the rings themselves", descs: []desc{{addr: guestLow, n: 2 * guestRegion}}, heads: []uint16{0}}, 2, 0, 2 * guestRegion, 0},
			{evil{name: "last byte of memory", descs: []desc{{addr: guestHigh + guestRegion - 1, n: 1}}, heads: []uint16{0}}, 1, 0, 1, 0},
			{evil{name: "a table that is told to be written", descs: []desc{{addr: tableAt, n: 16, flags: descIndirect | descWrite}}, heads: []uint16{0}, table: []desc{reads(3)}}, 1, 0, 3, 0},
			{evil{name: "a table longer than the queue", descs: []desc{indirect(maxTableChain * descSize)}, heads: []uint16{0}, table: long}, maxTableChain, 0, maxTableChain, 0},
			{evil{name: "all descriptors", descs: append(loop(evilSize)[:evilSize-1], writes(1)), heads: []uint16{0}}, 7, 1, 7, 1},
		} {
			t.Run(layout+"/"+c.e.name, func(t *testing.T) {
				conf := ringConfig(evilSize, layout == "packed", false, true)
				c.e.write(g, conf)
				q, err := newVirtq(g.m, conf)
				if err != nil {
					t.Fatal(err)
				}
				ch, err := popAll(q, evilSize)
				if err != nil || len(ch) != 1 {
					t.Fatalf("%d chains, %v", len(ch), err)
				}
				if got := ch[0]; len(got.in) != c.in || len(got.out) != c.out || got.inLen != c.inLen || got.outLen != c.outLen {
					t.Errorf("%d and %d pieces, %d and %d bytes; want %+v", len(got.in), len(got.out), got.inLen, got.outLen, c)
				}
			})
		}
	}
}

// TestTableAcrossRegions: a table may lie in two regions that are neighbours, when no descriptor of it does.
func TestTableAcrossRegions(t *testing.T) {
	g := newGuest(t)
	for _, packed := range []bool{false, true} {
		e := evil{descs: []desc{{addr: guestMid - 16, n: 32, flags: descIndirect}}, heads: []uint16{0}}
		c := ringConfig(evilSize, packed, false, true)
		e.write(g, c)
		e.put(c, g.at(guestMid-16, 16), link(1, reads(3)), false)
		e.put(c, g.at(guestMid, 16), writes(4), false)
		q, err := newVirtq(g.m, c)
		if err != nil {
			t.Fatal(err)
		}
		if ch, err := popAll(q, 1); err != nil || len(ch) != 1 || ch[0].inLen != 3 || ch[0].outLen != 4 {
			t.Errorf("packed %v: %+v, %v", packed, ch, err)
		}
	}
}

// TestPackedOverrun: a packed queue's driver makes descriptors available over those that the device still has.
func TestPackedOverrun(t *testing.T) {
	g := newGuest(t)
	c := ringConfig(evilSize, true, false, false)
	d := newDrv(g, c)
	q, err := newVirtq(g.m, c)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint16(evilSize) {
		putPacked(d.desc[descSize*int(i):], guestHigh, 1, i, descAvail)
	}
	if ch, err := popAll(q, evilSize); len(ch) != evilSize || err != nil {
		t.Fatalf("%d chains, %v", len(ch), err)
	}
	putPacked(d.desc, guestHigh, 1, evilSize, descUsed) // of the next lap
	if ok, err := q.pop(new(chain)); ok || err == nil || !strings.Contains(err.Error(), "what is free") {
		t.Errorf("a ninth chain in a queue of 8: %v, %v", ok, err)
	}
}

// TestNeighboursApart: regions that happen to lie together in our memory stay two pieces, each inside its region.
func TestNeighboursApart(t *testing.T) {
	fd := memfd(t, 8192)
	whole, err := mapMemory([]Region{{Size: 8192}}, []int{fd})
	if err != nil {
		t.Fatal(err)
	}
	defer whole.release()
	host := address(whole.bytes(0, 1))
	q := &virtq{conf: virtqConfig{size: 1}, mem: &Memory{regions: []*mapping{
		{Region: Region{GPA: 0, Size: 4096}, host: host},
		{Region: Region{GPA: 4096, Size: 4096}, host: host + 4096},
	}}}
	var c chain
	for _, flags := range []uint16{0, descWrite} {
		if err := q.extend(&c, desc{addr: 4000, n: 200, flags: flags}); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.in) != 2 || len(c.out) != 2 || c.in[1].Base != host+4096 || c.out[1].Base != host+4096 {
		t.Errorf("pieces %+v and %+v", c.in, c.out)
	}
}

// TestChainPieces: each descriptor of a chain may lie in every region there is, but not all of them.
func TestChainPieces(t *testing.T) {
	fd := memfd(t, 4096)
	rs, fds := make([]Region, 500), make([]int, 500)
	for i := range rs {
		rs[i], fds[i] = Region{GPA: uint64(i) << 12, Size: 4096, UVA: uint64(i) << 12}, fd
	}
	m, err := mapMemory(rs, fds)
	if err != nil {
		t.Fatal(err)
	}
	defer m.release()
	q, c := &virtq{conf: virtqConfig{size: 128}, mem: m}, chain{}
	for i := range 5 {
		err := q.extend(&c, desc{addr: 0, n: 500 << 12})
		if (err != nil) != (i == 4) || len(c.in) != 500*(i+1) {
			t.Fatalf("%d pieces: %v", len(c.in), err)
		}
	}
}

func TestQueueRefused(t *testing.T) {
	g := newGuest(t)
	for _, c := range []struct {
		name string
		edit func(*virtqConfig)
		both bool // packed queues refuse it too
	}{
		{"size 0", func(c *virtqConfig) { c.size = 0 }, true},
		{"size 3", func(c *virtqConfig) { c.size = 3 }, false},
		{"size 32769", func(c *virtqConfig) { c.size = 32769 }, true},
		{"size 65536", func(c *virtqConfig) { c.size = 65536 }, true},
		{"size 2^31", func(c *virtqConfig) { c.size = 1 << 31 }, true},
		{"descriptors in a hole", func(c *virtqConfig) { c.desc = 0 }, true},
		{"descriptors at the end", func(c *virtqConfig) { c.desc = guestUVA + guestHigh + guestRegion - 16 }, true},
		{"descriptors across regions", func(c *virtqConfig) { c.desc = guestUVA + guestMid - 16 }, true},
		{"descriptors that wrap", func(c *virtqConfig) { c.desc = math.MaxUint64 - 15 }, true},
		{"descriptors at an odd place", func(c *virtqConfig) { c.desc += 8 }, true},
		{"avail ring in a hole", func(c *virtqConfig) { c.avail = 16 }, true},
		{"avail ring at the end", func(c *virtqConfig) { c.avail = guestUVA + guestHigh + guestRegion - 4 - 16 }, false},
		{"avail area at the end", func(c *virtqConfig) { c.avail = guestUVA + guestHigh + guestRegion }, true},
		{"avail ring at an odd place", func(c *virtqConfig) { c.avail += 2 }, true},
		{"used ring in a hole", func(c *virtqConfig) { c.used = math.MaxUint64 &^ 3 }, true},
		{"used ring at the end", func(c *virtqConfig) { c.used = guestUVA + guestHigh + guestRegion - 4 - 64 }, false},
		{"used ring at an odd place", func(c *virtqConfig) { c.used += 1 }, true},
	} {
		for _, packed := range []bool{false, true} {
			conf := ringConfig(8, packed, true, true)
			c.edit(&conf)
			if _, err := newVirtq(g.m, conf); (err == nil) != (packed && !c.both) {
				t.Errorf("%s, packed %v: %v", c.name, packed, err)
			}
		}
	}
	for _, base := range []uint32{8, 8 << 16, 0x7fff} {
		conf := ringConfig(8, true, true, true)
		conf.base = base
		if _, err := newVirtq(g.m, conf); err == nil {
			t.Errorf("base %#x of a packed queue of 8 was accepted", base)
		}
	}
	last := ringConfig(8, false, true, true)
	last.avail, last.used = guestUVA+guestHigh+guestRegion-24, guestUVA+guestMid+guestRegion-72
	if _, err := newVirtq(g.m, last); err != nil {
		t.Errorf("rings that end with their region: %v", err)
	}
}

// TestSetMemory: a queue goes on in a version of the memory that maps its rings elsewhere, and not in one without them.
func TestSetMemory(t *testing.T) {
	g := newGuest(t)
	for _, packed := range []bool{false, true} {
		c := ringConfig(8, packed, true, true)
		d := newDrv(g, c)
		q, err := newVirtq(g.m, c)
		if err != nil {
			t.Fatal(err)
		}
		next, err := mapMemory(guestTable[:2], []int{g.fd, g.fd})
		if err != nil {
			t.Fatal(err)
		}
		defer next.release()
		for i := range 3 {
			if i == 1 {
				if err := q.setMemory(next); err != nil {
					t.Fatal(err)
				}
			}
			d.add([]segment{{guestHigh, 8, false}}, 1)
			d.publish()
			ch, err := popAll(q, 1)
			if err != nil || len(ch) != 1 {
				t.Fatalf("%d chains, %v", len(ch), err)
			}
			if i > 0 && next.guest(ch[0].in[0].Base) == nil {
				t.Error("the chain is in the old mapping")
			}
			q.push(ch[0].head, ch[0].descs, 0)
			q.flush()
			if _, _, _, ok := d.collect(t); !ok {
				t.Fatal("nothing came back")
			}
		}
		less, err := mapMemory(guestTable[:1], []int{g.fd})
		if err != nil {
			t.Fatal(err)
		}
		if err := q.setMemory(less); err == nil {
			t.Error("a queue whose rings have gone was accepted")
		}
		less.release()
	}
}

func TestPushTwice(t *testing.T) {
	g := newGuest(t)
	c := ringConfig(8, false, false, false)
	d := newDrv(g, c)
	q, err := newVirtq(g.m, c)
	if err != nil {
		t.Fatal(err)
	}
	d.add([]segment{{guestHigh, 8, false}}, 1)
	d.publish()
	ch, err := popAll(q, 1)
	if err != nil {
		t.Fatal(err)
	}
	q.push(ch[0].head, ch[0].descs, 0)
	defer func() {
		if recover() == nil {
			t.Error("a chain was given back twice")
		}
	}()
	q.push(ch[0].head, ch[0].descs, 0)
}
