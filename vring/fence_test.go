//go:build linux

package vring

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// meeting lets two goroutines go on at the same moment, again and again.
type meeting struct{ here, round atomic.Uint32 }

func (m *meeting) meet() {
	r := m.round.Load()
	if m.here.Add(1) == 2 {
		m.here.Store(0)
		m.round.Store(r + 1)
		return
	}
	for i := 1; m.round.Load() == r; i++ {
		if i%1024 == 0 {
			runtime.Gosched()
		}
	}
}

// TestFence has both sides store and then look at the same moment: one of the two must see the other, or a kick or an
// interrupt is lost. Without a full fence between its store and its load neither does, now and then.
func TestFence(t *testing.T) {
	for _, packed := range []bool{false, true} {
		for _, eventIdx := range []bool{false, true} {
			t.Run(fmt.Sprintf("packed=%v,event=%v", packed, eventIdx), func(t *testing.T) { meetAgain(t, packed, eventIdx) })
		}
	}
}

// encounter is what the two sides saw in a round.
type encounter struct {
	kick, more      bool // of a chain that was added while the device asked for kicks
	interrupt, seen bool // of a chain that came back while the driver asked for interrupts
	late            bool // the last round
	err             error
}

func meetAgain(t *testing.T, packed, eventIdx bool) {
	g := newGuest(t)
	c := ringConfig(16, packed, eventIdx, true)
	d := newDrv(g, c)
	q, err := newVirtq(g.m, c)
	if err != nil {
		t.Fatal(err)
	}
	var m meeting
	var e encounter // its fields are handed over in meetings
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; !e.late; i++ {
			deviceRound(q, &m, &e, i)
		}
	}()
	rounds := 0
	for begun := time.Now(); !e.late; rounds++ {
		driverRound(d, &m, &e, rounds, time.Since(begun) > 250*time.Millisecond)
		d.collect(t)
		switch {
		case e.err != nil:
			t.Errorf("round %d: %v", rounds, e.err)
		case !e.kick && !e.more:
			t.Errorf("round %d: no kick, and the device sees nothing", rounds)
		case !e.interrupt && !e.seen:
			t.Errorf("round %d: no interrupt, and the driver sees nothing", rounds)
		}
		e.late = e.late || t.Failed()
		m.meet()
	}
	<-done
	t.Logf("%d rounds", rounds)
}

// deviceRound: the load that follows the store is of a line that is near, and the store is to one that is far, so that the
// load would be first.
func deviceRound(q *virtq, m *meeting, e *encounter, round int) {
	q.suppress()
	if !q.conf.packed {
		q.look()
	}
	m.meet()
	dally(round / 7)
	e.more = q.await()
	m.meet()
	var c chain
	ok, err := q.pop(&c)
	if ok {
		q.push(c.head, c.descs, 0)
	} else {
		e.err = fmt.Errorf("no chain was popped: %w", err)
	}
	m.meet()
	dally(round / 7)
	e.interrupt = q.flush()
	m.meet()
	m.meet()
}

func driverRound(d *drv, m *meeting, e *encounter, round int, late bool) {
	d.quiet()
	d.add([]segment{{guestHigh, 8, false}}, 1)
	if !d.conf.packed {
		word(d.used, 8*d.conf.size).Or(0) // takes the line of the device's event index
	}
	m.meet()
	e.late = late // after the device's look at it for this round
	dally(round)
	e.kick = d.publish()
	m.meet()
	m.meet()
	dally(round)
	d.wake(0)
	e.seen = d.more()
	m.meet()
}

// dally takes some nanoseconds, another number each time.
func dally(n int) {
	for range n * 5 % 32 {
		spun.Load()
	}
}

var spun atomic.Uint32
