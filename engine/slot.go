package engine

import (
	"github.com/fastfsd/fastfsd/ring"
	"github.com/fastfsd/fastfsd/vfs"
)

// Queue is where a transport's requests come from and where their answers go.
type Queue interface {
	// Hold says that s will not be answered soon: make room for those that come after it. Called on the loop, before s
	// leaves it; for a parked request the answer may already be on its way.
	Hold(l *Loop, s *Slot)
	// Reply sends s.Result and then calls s.Sent or s.Undelivered, after which the slot may be loaded again. l is nil off the
	// loops, which happens only if AnyThread is true.
	Reply(l *Loop, s *Slot)
	// Silent ends a request that gets no answer: s.Sent. Called on the loop.
	Silent(l *Loop, s *Slot)
	// AnyThread says whether Reply may be called by any thread. It never changes.
	AnyThread() bool
}

// Slot is one request of a transport: an Op and the way back. Made at start, used again and again; it belongs to the
// loop until Serve, then to whoever handles it, and to the transport again from Queue.Reply on.
type Slot struct {
	Op  *vfs.Op
	Tag uint32 // the transport's own

	client *Client // immutable, like queue and loop
	queue  Queue
	loop   *Loop

	next      *Slot         // in an inbox, the pool's queue
	scattered Scattered     // queue, if its payloads lie in pieces; immutable
	whole     [1]ring.Iovec // the one piece of all others
	placed    bool          // the reply's body lies in its pieces

	moved int32     // bytes that an extent's I/O has moved so far
	job   job       // what the pool is to do
	fault vfs.Errno // the answer, whatever the Op says; 0: the Op's
}

// NewSlot makes a slot whose requests are served by l and answered through q.
func (c *Client) NewSlot(l *Loop, q Queue, tag uint32) *Slot {
	s := &Slot{client: c, queue: q, loop: l, Tag: tag}
	s.scattered, _ = q.(Scattered)
	s.Op = c.conn.NewOp(s)
	return s
}

// Result is the answer: 0 or a positive errno, and the number of body bytes in reply memory.
func (s *Slot) Result() (vfs.Errno, int) {
	if s.fault != 0 {
		return s.fault, 0
	}
	return s.Op.Result()
}

// Sent ends a request whose answer was handed over, or that wants none.
func (s *Slot) Sent() {
	if s.fault != 0 {
		s.Undelivered()
		return
	}
	s.client.conn.Sent(s.Op)
}

// Undelivered ends a request whose answer could not be handed over.
func (s *Slot) Undelivered() {
	s.fault = 0
	s.client.conn.Undelivered(s.Op)
}

// Owner is the loop that serves the slot's requests.
func (s *Slot) Owner() *Loop { return s.loop }

// Late brings an answer back that was made by any thread; it implements vfs.Late.
func (s *Slot) Late(*vfs.Op) { s.deliver() }

// deliver sends an answer from outside the loop, or brings it to the loop.
func (s *Slot) deliver() {
	if !s.queue.AnyThread() {
		s.loop.post(s)
		return
	}
	s.loop.e.off.finish(s, true)
	s.queue.Reply(nil, s)
}
