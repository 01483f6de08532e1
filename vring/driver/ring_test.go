//go:build linux

package driver

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// everyLayout runs f for each combination of features.
func everyLayout(t *testing.T, f func(t *testing.T, features uint64)) {
	for i := range 8 {
		var features uint64
		name := "split"
		if i&1 != 0 {
			name, features = "packed", FeatureRingPacked
		}
		if i&2 != 0 {
			name, features = name+"+event_idx", features|FeatureEventIdx
		}
		if i&4 != 0 {
			name, features = name+"+indirect", features|FeatureIndirect
		}
		t.Run(name, func(t *testing.T) { f(t, features) })
	}
}

// testQueue is a queue without a socket and its fake device.
func testQueue(t testing.TB, size int, features uint64) (*Queue, *fakeRing, func()) {
	t.Helper()
	m, err := newMemory(4<<20, 2)
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGeometry(m, size, features)
	if err != nil {
		t.Fatal(err)
	}
	q := &Queue{ring: g.layout()}
	return q, newFakeRing(t, m, q, size, features), m.close
}

// wish is when a side wants to be told of places in the ring that the other one has filled.
type wish struct {
	always, never bool
	at            int // else: of this place, counted from the start of the world
}

// due says whether the side has to be told of places [from, to), and whether it may be.
func (w wish) due(from, to int, packed bool) (must, may bool) {
	switch {
	case w.always:
		return true, true
	case w.never:
		return false, false
	case w.at >= from && w.at < to:
		return true, true
	}
	return false, packed // its event areas know two laps: a place long gone looks like one to come
}

// ringModel drives a queue and its fake device at random.
type ringModel struct {
	q       *Queue
	f       *fakeRing
	sent    map[uint16]fakeChain // submitted and not polled
	order   []uint16             // submitted and not popped
	popped  []fakeChain
	used    []uint16 // pushed and not polled
	lengths map[uint16]uint32
	serial  uint64

	// Places, counted from the start of the world.
	submitted, kicked, seen, pushed, polled int

	device, driver wish
}

func newRingModel(q *Queue, f *fakeRing) *ringModel {
	m := &ringModel{q: q, f: f, sent: map[uint16]fakeChain{}, lengths: map[uint16]uint32{}}
	if !f.event || f.packed {
		m.device.always, m.driver.always = true, true // as a ring that is all zero says
	}
	return m
}

// places is how many a chain takes.
func (m *ringModel) places(c fakeChain) int {
	if !m.f.packed || m.f.indirect {
		return 1
	}
	return len(c.in) + len(c.out)
}

func (m *ringModel) submit(t *rapid.T) {
	n := rapid.IntRange(1, min(m.f.size, 6)).Draw(t, "buffers")
	nin := rapid.IntRange(0, n).Draw(t, "in")
	var c fakeChain
	for i := range n {
		m.serial++
		s := Segment{guestBase + m.serial%1000, uint32(m.serial)}
		if i < nin {
			c.in = append(c.in, s)
		} else {
			c.out = append(c.out, s)
		}
	}
	need := n
	if m.f.indirect {
		need = 1
	}
	full := m.q.Free() < need
	id, err := m.q.Submit(c.in, c.out)
	if full != errors.Is(err, ErrFull) || !full && err != nil {
		t.Fatalf("%d descriptors with %d free: %v", need, m.q.Free(), err)
	}
	if full {
		return
	}
	if _, ok := m.sent[id]; ok {
		t.Fatalf("id %d again, which is in flight", id)
	}
	m.sent[id] = c
	m.order = append(m.order, id)
	m.submitted += m.places(c)
}

func (m *ringModel) kick(t *rapid.T) {
	must, may := m.device.due(m.kicked, m.submitted, m.f.packed)
	switch {
	case m.kicked == m.submitted:
		must, may = false, false
	case m.f.packed && !m.device.always && m.submitted-m.device.at > m.f.size:
		must = false // a device that has taken chains since it listened is awake; its event is more than a lap old
	}
	m.kicked = m.submitted
	if got := m.q.ring.needKick(); must && !got || !may && got {
		t.Fatalf("kick %v: it must %v, may %v", got, must, may)
	}
}

func (m *ringModel) pop(t *rapid.T) {
	c, ok := m.f.pop()
	if ok != (len(m.order) > 0) {
		t.Fatalf("popped %v, %d chains are submitted", ok, len(m.order))
	}
	if !ok {
		return
	}
	want := m.sent[m.order[0]]
	if c.id != m.order[0] || !slices.Equal(c.in, want.in) || !slices.Equal(c.out, want.out) {
		t.Fatalf("popped %+v, submitted %d %+v", c, m.order[0], want)
	}
	m.order = m.order[1:]
	m.popped = append(m.popped, c)
	m.seen += m.places(c)
}

func (m *ringModel) push(t *rapid.T) {
	if len(m.popped) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.popped)-1).Draw(t, "which")
	c := m.popped[i]
	m.popped = slices.Delete(m.popped, i, i+1)
	m.serial++
	m.f.push(c, uint32(m.serial))
	m.used = append(m.used, c.id)
	m.lengths[c.id] = uint32(m.serial)
	must, may := m.driver.due(m.pushed, m.pushed+m.places(c), m.f.packed)
	m.pushed += m.places(c)
	if got := m.f.interrupt(); must && !got || !may && got {
		t.Fatalf("interrupt %v: it must %v, may %v", got, must, may)
	}
}

func (m *ringModel) poll(t *rapid.T) {
	id, n, ok, err := m.q.Poll()
	if err != nil || ok != (len(m.used) > 0) {
		t.Fatalf("polled %v, %v; %d are used", ok, err, len(m.used))
	}
	if !ok {
		return
	}
	if id != m.used[0] || n != m.lengths[id] {
		t.Fatalf("polled %d with %d bytes, pushed %d with %d", id, n, m.used[0], m.lengths[id])
	}
	m.used = m.used[1:]
	m.polled += m.places(m.sent[id])
	delete(m.sent, id)
}

func (m *ringModel) arm(t *rapid.T) {
	if ready := m.q.Arm(); ready != (len(m.used) > 0) {
		t.Fatalf("armed: ready %v, %d are used", ready, len(m.used))
	}
	m.driver = wish{always: !m.f.event, at: m.polled}
}

func (m *ringModel) disarm(*rapid.T) {
	m.q.Disarm()
	if m.f.packed || !m.f.event {
		m.driver = wish{never: true}
	}
}

func (m *ringModel) listen(*rapid.T) {
	m.f.listen(true)
	m.device = wish{always: !m.f.event, at: m.seen}
}

func (m *ringModel) ignore(*rapid.T) {
	m.f.listen(false)
	if m.f.packed || !m.f.event {
		m.device = wish{never: true}
	}
}

func TestRings(t *testing.T) {
	everyLayout(t, func(t *testing.T, features uint64) {
		rapid.Check(t, func(rt *rapid.T) {
			size := 1 << rapid.IntRange(1, 5).Draw(rt, "size")
			q, f, end := testQueue(t, size, features)
			defer end()
			f.TB = t
			m := newRingModel(q, f)
			rt.Repeat(map[string]func(*rapid.T){
				"submit": m.submit, "submit more": m.submit, "kick": m.kick, "pop": m.pop, "pop more": m.pop, "push": m.push, "push more": m.push,
				"poll": m.poll, "poll more": m.poll, "arm": m.arm, "disarm": m.disarm, "listen": m.listen, "ignore": m.ignore,
			})
		})
	})
}

// TestRingWraps: indices run past 65535, with several chains in flight and out of order.
func TestRingWraps(t *testing.T) {
	everyLayout(t, func(t *testing.T, features uint64) {
		q, f, end := testQueue(t, 16, features)
		defer end()
		buf := []Segment{{guestBase, 8}}
		for i := range 70000 {
			f.listen(true)
			var c [2]fakeChain
			for k := range c {
				if _, err := q.Submit(buf, buf); err != nil {
					t.Fatal(i, err)
				}
				if kick := q.ring.needKick(); kick != (k == 0 || !f.event) {
					t.Fatalf("round %d, chain %d: kick %v", i, k, kick)
				}
			}
			if q.Arm() {
				t.Fatalf("round %d: something is used", i)
			}
			for k := range c {
				var ok bool
				if c[k], ok = f.pop(); !ok {
					t.Fatalf("round %d: chain %d is not there", i, k)
				}
			}
			for k := range c {
				f.push(c[1-k], uint32(i+k))
				if told := f.interrupt(); told != (k == 0 || !f.event) {
					t.Fatalf("round %d, chain %d: interrupt %v", i, k, told)
				}
			}
			for k := range c {
				id, n, ok, err := q.Poll()
				if id != c[1-k].id || n != uint32(i+k) || !ok || err != nil {
					t.Fatalf("round %d: polled %d, %d, %v, %v", i, id, n, ok, err)
				}
			}
		}
	})
}

// TestBrokenDevice: what a device may not put in the used ring.
func TestBrokenDevice(t *testing.T) {
	everyLayout(t, func(t *testing.T, features uint64) {
		used := func(id uint16, n int) error {
			q, f, end := testQueue(t, 8, features)
			defer end()
			if _, err := q.Submit([]Segment{{guestBase, 8}}, nil); err != nil {
				t.Fatal(err)
			}
			for range n {
				f.push(fakeChain{id: id, descs: 1}, 0)
			}
			for {
				_, _, ok, err := q.Poll()
				if !ok || err != nil {
					return err
				}
			}
		}
		first := uint16(0)
		if err := used(first, 1); err != nil {
			t.Errorf("a good device: %v", err)
		}
		for name, err := range map[string]error{
			"an id that is not in flight": used(first+1, 1), "an id beyond the queue": used(8, 1), "an id twice": used(first, 2),
			"the largest id": used(1<<16-1, 1),
		} {
			if !errors.Is(err, ErrDevice) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if features&FeatureRingPacked == 0 {
			if err := used(first, 9); !errors.Is(err, ErrDevice) {
				t.Errorf("used.idx runs ahead of the queue: %v", err)
			}
		}
	})
}

func TestChainLength(t *testing.T) {
	everyLayout(t, func(t *testing.T, features uint64) {
		q, _, end := testQueue(t, 8, features)
		defer end()
		for _, n := range []int{0, 9} {
			if _, err := q.Submit(make([]Segment, n), nil); err == nil || errors.Is(err, ErrFull) {
				t.Errorf("a chain of %d in a queue of 8: %v", n, err)
			}
		}
		if _, err := q.Submit(make([]Segment, 4), make([]Segment, 4)); err != nil {
			t.Errorf("a chain of 8 in a queue of 8: %v", err)
		}
	})
}

// TestConcurrent: a device on another thread, both sleep as often as they can. Nobody may wait for ever.
func TestConcurrent(t *testing.T) {
	const rounds = 20000
	everyLayout(t, func(t *testing.T, features uint64) {
		q, f, end := testQueue(t, 8, features)
		defer end()
		kick, call := make(chan struct{}, 1), make(chan struct{}, 1)
		tell := func(c chan struct{}) {
			select {
			case c <- struct{}{}:
			default:
			}
		}
		var pushed atomic.Int64
		go func() {
			for pushed.Load() < rounds {
				c, ok := f.pop()
				if !ok {
					f.listen(true)
					if c, ok = f.pop(); !ok {
						<-kick
						continue
					}
				}
				f.push(c, 1)
				if f.interrupt() {
					tell(call)
				}
				pushed.Add(1)
			}
		}()
		buf := []Segment{{guestBase, 8}}
		for sent, back := 0, 0; back < rounds; {
			for ; sent < rounds && sent-back < 2; sent++ {
				if _, err := q.Submit(buf, buf); err != nil {
					t.Fatal(err)
				}
			}
			if q.ring.needKick() {
				tell(kick)
			}
			if !q.Arm() {
				select {
				case <-call:
				case <-time.After(time.Minute):
					t.Fatalf("after %d of %d chains both sides wait", back, rounds)
				}
			}
			q.Disarm()
			for {
				_, _, ok, err := q.Poll()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				back++
			}
		}
	})
}
