package engine

import (
	"sync/atomic"

	"github.com/fastfsd/fastfsd/abi"
)

// tally counts requests by opcode; unknown ones are 0. Its thread writes, any thread reads.
type tally [abi.OpMax + 1]opTally

type opTally struct {
	count, errors, offloads, spawns, bytes atomic.Uint64
}

// Counter is what one loop did for one opcode.
type Counter struct {
	CPU      int // of the loop or reader; -1: answered elsewhere, or by a reader that has ended
	Opcode   abi.Opcode
	Count    uint64 // requests answered, or ended without an answer
	Errors   uint64 // of them, with an errno
	Offloads uint64 // went to the pool
	Spawns   uint64 // got a goroutine
	Bytes    uint64 // of data read and written
}

// bump adds to a counter of the calling thread's own.
func bump(c *atomic.Uint64, n uint64) { c.Store(c.Load() + n) }

func (t *tally) at(s *Slot) *opTally {
	if o := s.Op.Opcode(); o <= abi.OpMax {
		return &t[o]
	}
	return &t[0]
}

// finish counts an answer; shared: the tally is not the calling thread's own.
func (t *tally) finish(s *Slot, shared bool) {
	o := t.at(s)
	e, n := s.Result()
	switch s.Op.Opcode() {
	case abi.OpRead:
	case abi.OpWrite:
		n = s.Op.DataLen()
	default:
		n = 0
	}
	if e != 0 {
		n = 0
	}
	if shared {
		o.count.Add(1)
		o.bytes.Add(uint64(n))
		if e != 0 {
			o.errors.Add(1)
		}
		return
	}
	bump(&o.count, 1)
	if n > 0 {
		bump(&o.bytes, uint64(n))
	}
	if e != 0 {
		bump(&o.errors, 1)
	}
}

// leave counts a request that leaves its loop, to the pool or to a goroutine.
func (t *tally) leave(s *Slot, pool bool) {
	if pool {
		bump(&t.at(s).offloads, 1)
	} else {
		bump(&t.at(s).spawns, 1)
	}
}

// Counters are the requests so far, per loop, reader and opcode, without those that never came.
func (e *Engine) Counters() []Counter {
	var out []Counter
	for _, l := range e.loops {
		out = l.tally.list(out, l.cpu)
	}
	e.readMu.Lock()
	defer e.readMu.Unlock()
	for _, l := range e.readers {
		out = l.tally.list(out, l.cpu)
	}
	return e.off.list(out, -1)
}

func (t *tally) list(out []Counter, cpu int) []Counter {
	for i := range t {
		o := &t[i]
		c := Counter{
			CPU: cpu, Opcode: abi.Opcode(i), Count: o.count.Load(), Errors: o.errors.Load(),
			Offloads: o.offloads.Load(), Spawns: o.spawns.Load(), Bytes: o.bytes.Load(),
		}
		if c.Count+c.Offloads+c.Spawns > 0 {
			out = append(out, c)
		}
	}
	return out
}

// merge adds the counts of a reader's loop that ends.
func (t *tally) merge(from *tally) {
	for i := range from {
		a, b := &t[i], &from[i]
		a.count.Add(b.count.Load())
		a.errors.Add(b.errors.Load())
		a.offloads.Add(b.offloads.Load())
		a.spawns.Add(b.spawns.Load())
		a.bytes.Add(b.bytes.Load())
	}
}
