//go:build linux

package vring

import (
	"encoding/binary"
	"testing"
)

func TestSplit(t *testing.T) {
	g := newGuest(t)
	q, err := newVirtq(g.m, ringConfig(8, false, false, false))
	if err != nil {
		t.Fatal(err)
	}
	desc, avail, used := g.at(guestLow, 8*descSize), g.at(guestLow+0x8_0000, 32), g.at(guestLow+0xa_0000, 128)
	var c chain
	if ok, err := q.pop(&c); ok || err != nil {
		t.Fatalf("pop of an empty queue: %v, %v", ok, err)
	}
	copy(g.at(guestMid-4, 4), "head")
	copy(g.at(guestMid, 4), "tail")
	putDesc(desc[3*descSize:], guestMid-4, 8, descNext, 5) // crosses into the next region
	putDesc(desc[5*descSize:], guestHigh, 0, descNext, 1)
	putDesc(desc[1*descSize:], guestHigh+16, 32, descWrite, 0)
	binary.LittleEndian.PutUint16(avail[4:], 3)
	word(avail, 0).Store(1 << 16)

	if !q.await() {
		t.Fatal("await says that nothing is there")
	}
	ok, err := q.pop(&c)
	if !ok || err != nil {
		t.Fatalf("pop: %v, %v", ok, err)
	}
	if c.head != 3 || c.descs != 3 || c.inLen != 8 || c.outLen != 32 || len(c.in) != 2 || len(c.out) != 1 || q.inFlight() != 1 {
		t.Fatalf("chain %+v, %d in flight", c, q.inFlight())
	}
	in := make([]byte, 8)
	if n := c.copyIn(in); n != 8 || string(in) != "headtail" {
		t.Fatalf("copyIn: %d %q", n, in)
	}
	c.skipIn(6)
	if n := c.copyIn(in); n != 2 || c.inLen != 2 || string(in[:2]) != "il" {
		t.Fatalf("copyIn after skipIn(6): %d %q", n, in)
	}
	c.skipOut(4)
	if n := c.copyOut([]byte("reply")); n != 5 || string(g.at(guestHigh+20, 5)) != "reply" {
		t.Fatalf("copyOut after skipOut(4): %d %q", n, g.at(guestHigh+16, 9))
	}
	q.push(c.head, c.descs, 9)
	if w := word(used, 0).Load(); w != 0 {
		t.Fatalf("the driver sees %#x before flush", w)
	}
	if !q.flush() {
		t.Fatal("the driver wants an interrupt")
	}
	if w, id, n := word(used, 0).Load(), binary.LittleEndian.Uint32(used[4:]), binary.LittleEndian.Uint32(used[8:]); w != 1<<16 || id != 3 || n != 9 {
		t.Fatalf("used ring: %#x, head %d, length %d", w, id, n)
	}
	if q.inFlight() != 0 || q.base() != 1 {
		t.Fatalf("%d in flight, base %d", q.inFlight(), q.base())
	}
}
