package vfs

import "sync"

// Late is told of a parked op whose answer has come, by any thread, perhaps before Begin has returned Parked: it brings
// the op to its owner, which sends Result and calls Sent or Undelivered.
type Late interface{ Late(op *Op) }

// flight is the requests that have left their loop: what INTERRUPT can find.
type flight struct {
	mu    sync.Mutex
	ops   map[uint64]*Op      // guarded by mu
	early map[uint64]struct{} // guarded by mu; uniques whose INTERRUPT came first
	order []uint64            // guarded by mu; early's, oldest first
}

// maxEarly bounds the INTERRUPTs that are kept for requests that have not been seen yet.
const maxEarly = 4096

// add enters op before it leaves its loop. An INTERRUPT that came first marks it at once.
func (f *flight) add(op *Op) {
	f.mu.Lock()
	if f.ops == nil {
		f.ops = make(map[uint64]*Op, 64)
	}
	f.ops[op.hdr.Unique] = op
	op.inflight = true
	_, early := f.early[op.hdr.Unique]
	delete(f.early, op.hdr.Unique)
	f.mu.Unlock()
	if early {
		op.interrupt()
	}
}

func (f *flight) remove(op *Op) {
	f.mu.Lock()
	if f.ops[op.hdr.Unique] == op { // a peer may use a unique twice
		delete(f.ops, op.hdr.Unique)
	}
	op.inflight = false
	f.mu.Unlock()
}

// interrupt marks the request and tells its back-end, if the answer is pending. An unknown one is kept: its request may
// still be on the way to its loop.
func (f *flight) interrupt(unique uint64) {
	f.mu.Lock()
	op := f.ops[unique]
	if op == nil {
		f.keep(unique)
		f.mu.Unlock()
		return
	}
	cancel, t := op.cancelled()
	f.mu.Unlock()
	if cancel != nil {
		cancel(t)
	}
}

// keep remembers an INTERRUPT that came before its request left the loop, or after it was answered.
func (f *flight) keep(unique uint64) {
	if f.early == nil {
		f.early = make(map[uint64]struct{})
	}
	if _, ok := f.early[unique]; ok {
		return
	}
	if len(f.order) >= maxEarly {
		delete(f.early, f.order[0])
		f.order = f.order[1:]
	}
	f.early[unique] = struct{}{}
	f.order = append(f.order, unique)
}

func (f *flight) interruptAll() {
	type call struct {
		f func(Token)
		t Token
	}
	var calls []call
	f.mu.Lock()
	for _, op := range f.ops {
		if cancel, t := op.cancelled(); cancel != nil {
			calls = append(calls, call{cancel, t})
		}
	}
	f.mu.Unlock()
	for _, x := range calls {
		x.f(x.t)
	}
}

// InFlight is the number of requests that have left their loop and have not ended.
func (c *Conn) InFlight() int {
	c.flight.mu.Lock()
	defer c.flight.mu.Unlock()
	return len(c.flight.ops)
}

// cancelled marks op as interrupted and gives the call that its back-end is owed, if its answer is pending. The call is
// made without flight.mu: its Complete may send the answer at once; the token's generation protects an op that has ended meanwhile.
// Preconditions: flight.mu is held.
func (op *Op) cancelled() (func(Token), Token) {
	if !op.interrupt() {
		return nil, Token{}
	}
	if s := op.state.Load(); s&0xff == latePending {
		return op.ops.Cancel, Token{op, uint32(s >> 32)}
	}
	return nil, Token{} // still in its method: wait looks again once it has parked
}

// wait parks an op whose method has returned Pending. Reply: the answer is there already.
// Preconditions: leave was called.
func (c *Conn) wait(op *Op) Verdict {
	cancel, t := op.ops.Cancel, Token{op, uint32(op.state.Load() >> 32)}
	if e, val, done := op.park(); done {
		c.lateResult(op, e, val)
		return Reply
	}
	// From here on another thread may end the op. An INTERRUPT before park has not called Cancel.
	if cancel != nil && op.interrupted.Load() {
		cancel(t)
	}
	return Parked
}

// completed is Token.Complete's way back: the op was parked, and this thread has won it.
func (c *Conn) completed(op *Op, e Errno, val uint32) {
	c.lateResult(op, e, val)
	op.late.Late(op)
}
