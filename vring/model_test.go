//go:build linux

package vring

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// flown is a chain of the model.
type flown struct {
	name     uint16
	segs     []segment
	slots    uint32 // of the ring
	descs    uint16 // as the device counted
	n        uint32
	entries  int64 // that it takes in the count of entries
	stamp    byte
	writeLen uint32
	readLen  uint32
}

// model is a queue with its driver, and what both should see of each other. Entries are counted without wrapping: chains
// of a split queue, descriptors of a packed one.
type model struct {
	g *guest
	d *drv
	q *virtq

	added     []flown // not published
	waiting   []flown // published, not popped
	flying    []flown // popped
	done      []flown // pushed, not flushed
	back      []flown // flushed, not collected
	published int64
	popped    int64
	pushed    int64
	flushed   int64
	collected int64

	kicks, wakes wish
	fresh        bool // nothing was flushed yet
	lap          int64
	stamp        byte
}

// wish is when one side wants to be notified: never, always, or when entry at is there.
type wish struct {
	mode int
	at   int64
}

const (
	never = iota
	always
	entry
)

// met says whether a notification is due when entries [from, to) were published. Positions repeat after lap entries.
func (w wish) met(from, to, lap int64) bool {
	switch w.mode {
	case entry:
		at := w.at + (from-w.at)/lap*lap
		for at < from {
			at += lap
		}
		return at < to
	default:
		return w.mode == always && to > from
	}
}

func TestModel(t *testing.T) {
	for _, packed := range []bool{false, true} {
		for _, eventIdx := range []bool{false, true} {
			t.Run(fmt.Sprintf("packed=%v,event=%v", packed, eventIdx), func(t *testing.T) {
				g := newGuest(t)
				rapid.Check(t, func(t *rapid.T) { runModel(t, g, packed, eventIdx) })
			})
		}
	}
}

func runModel(t *rapid.T, g *guest, packed, eventIdx bool) {
	size := uint32(1) << rapid.IntRange(0, 5).Draw(t, "size")
	if packed {
		size = rapid.Uint32Range(1, 40).Draw(t, "packed size")
	}
	c := ringConfig(size, packed, eventIdx, true)
	if packed {
		at := position{rapid.Uint32Range(0, size-1).Draw(t, "at"), rapid.Bool().Draw(t, "wrap")}
		c.base = at.half() | at.half()<<16
	} else {
		c.base = uint32(uint16(rapid.IntRange(-40, 40).Draw(t, "base")))
	}
	m := &model{g: g, d: newDrv(g, c), lap: 1 << 16}
	if packed {
		m.lap = 2 * int64(size)
	}
	m.restart(t, c)
	m.wake(t)
	m.await(t)
	t.Repeat(map[string]func(*rapid.T){
		"add":     m.add,
		"publish": m.publish,
		"pop":     m.pop,
		"pop2":    m.pop,
		"push":    m.push,
		"push2":   m.push,
		"flush":   m.flush,
		"collect": m.collect,
		"await":   m.await,
		"suppress": func(*rapid.T) {
			m.q.suppress()
			if packed || !eventIdx {
				m.kicks = wish{mode: never}
			}
		},
		"wake": m.wake,
		"quiet": func(*rapid.T) {
			m.d.quiet()
			if packed || !eventIdx {
				m.wakes = wish{mode: never}
			}
		},
		"stop and start": func(t *rapid.T) {
			if len(m.flying)+len(m.done) > 0 {
				t.Skip("chains are in flight")
			}
			c.base = m.q.base()
			m.restart(t, c)
		},
		"": func(t *rapid.T) {
			if m.q.inFlight() != len(m.flying) {
				t.Fatalf("%d chains in flight, want %d", m.q.inFlight(), len(m.flying))
			}
		},
	})
	m.drain(t)
}

func (m *model) restart(t *rapid.T, c virtqConfig) {
	q, err := newVirtq(m.g.m, c)
	if err != nil {
		t.Fatalf("newVirtq: %v", err)
	}
	m.q, m.fresh = q, true // what the device asked for stays in memory
}

func (m *model) add(t *rapid.T) {
	reads, writes := rapid.IntRange(0, 3).Draw(t, "reads"), rapid.IntRange(0, 3).Draw(t, "writes")
	if reads+writes == 0 {
		reads = 1
	}
	direct := rapid.IntRange(0, reads+writes).Draw(t, "direct")
	f := flown{stamp: m.stamp}
	m.stamp += 31
	across := rapid.IntRange(-1, 6).Draw(t, "across")
	for i := range reads + writes {
		s := segment{gpa: guestHigh + uint64(i)<<13 + rapid.Uint64Range(0, 64).Draw(t, "gpa"), n: rapid.Uint32Range(0, 40).Draw(t, "n"), write: i >= reads}
		if i == across {
			s.gpa = guestMid - rapid.Uint64Range(0, 20).Draw(t, "before the border")
		}
		if s.write {
			f.writeLen += s.n
		} else {
			f.readLen += s.n
			for k := range s.n {
				m.g.at(s.gpa+uint64(k), 1)[0] = m.stamp ^ byte(k*7+uint32(i))
			}
		}
		f.segs = append(f.segs, s)
	}
	slots := ringSlots(f.segs, direct)
	if !m.d.fits(slots) {
		t.Skip("the ring is full")
	}
	f.name = m.d.add(f.segs, direct)
	f.slots, f.entries = uint32(slots), 1
	if m.d.conf.packed {
		f.entries = int64(slots)
	}
	m.added = append(m.added, f)
}

func (m *model) publish(t *rapid.T) {
	from := m.published
	for _, f := range m.added {
		m.published += f.entries
	}
	m.waiting = append(m.waiting, m.added...)
	m.added = nil
	kick := m.d.publish()
	if want := m.kicks.met(from, m.published, m.lap); kick != want && m.published > from {
		t.Fatalf("entries [%d, %d) published: kick %v, the device wants %+v", from, m.published, kick, m.kicks)
	}
}

func (m *model) pop(t *rapid.T) {
	var c chain
	ok, err := m.q.pop(&c)
	if err != nil {
		t.Fatalf("pop: %v", err)
	}
	if want := len(m.waiting) > 0; ok != want {
		t.Fatalf("pop: %v, want %v", ok, want)
	}
	if !ok {
		return
	}
	f := m.waiting[0]
	m.waiting = m.waiting[1:]
	if c.head != f.name || uint32(c.descs) != f.slots || c.inLen != f.readLen || c.outLen != f.writeLen {
		t.Fatalf("chain %d of %d descriptors, %d bytes in, %d out; want %+v", c.head, c.descs, c.inLen, c.outLen, f)
	}
	m.g.same(t, &c, f.segs, f.stamp)
	f.descs = c.descs
	m.popped += f.entries
	m.flying = append(m.flying, f)
}

func (m *model) push(t *rapid.T) {
	if len(m.flying) == 0 {
		t.Skip("nothing is in flight")
	}
	i := rapid.IntRange(0, len(m.flying)-1).Draw(t, "which")
	f := m.flying[i]
	m.flying = append(m.flying[:i:i], m.flying[i+1:]...)
	f.n = rapid.Uint32Range(0, f.writeLen).Draw(t, "length")
	m.q.push(f.name, f.descs, f.n)
	m.pushed += f.entries
	m.done = append(m.done, f)
}

func (m *model) flush(t *rapid.T) {
	interrupt := m.q.flush()
	want := m.wakes.met(m.flushed, m.pushed, m.lap)
	if m.fresh && m.wakes.mode == entry {
		want = m.pushed > m.flushed // what the driver knows of an earlier life is unknown
	}
	if interrupt != want {
		t.Fatalf("entries [%d, %d) flushed: interrupt %v, the driver wants %+v", m.flushed, m.pushed, interrupt, m.wakes)
	}
	if m.pushed > m.flushed {
		m.fresh = false
	}
	m.flushed = m.pushed
	m.back = append(m.back, m.done...)
	m.done = nil
}

func (m *model) collect(t *rapid.T) {
	name, n, _, ok := m.d.collect(t)
	if want := len(m.back) > 0; ok != want {
		t.Fatalf("the driver sees a chain: %v, want %v", ok, want)
	}
	if !ok {
		return
	}
	f := m.back[0]
	m.back = m.back[1:]
	if name != f.name || n != f.n {
		t.Fatalf("the driver got chain %d with %d bytes, want %d with %d", name, n, f.name, f.n)
	}
	m.collected += f.entries
}

func (m *model) await(t *rapid.T) {
	if more, want := m.q.await(), len(m.waiting) > 0; more != want {
		t.Fatalf("await: %v, want %v", more, want)
	}
	m.kicks = wish{mode: always}
	if m.d.conf.eventIdx {
		m.kicks = wish{entry, m.popped}
	}
}

func (m *model) wake(t *rapid.T) {
	ahead := rapid.IntRange(0, int(m.d.conf.size)-1).Draw(t, "ahead")
	m.d.wake(ahead)
	m.wakes = wish{mode: always}
	if m.d.conf.eventIdx {
		m.wakes = wish{entry, m.collected + int64(ahead)}
	}
}

// drain has everything come back.
func (m *model) drain(t *rapid.T) {
	m.publish(t)
	for len(m.waiting) > 0 {
		m.pop(t)
	}
	for len(m.flying) > 0 {
		m.push(t)
	}
	m.flush(t)
	for len(m.back) > 0 {
		m.collect(t)
	}
	if len(m.d.sent) > 0 || m.d.more() {
		t.Fatalf("%d chains did not come back", len(m.d.sent))
	}
}
