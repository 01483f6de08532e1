package fusedev

import (
	"sync"
	"sync/atomic"

	"github.com/fastfsd/fastfsd/abi"
)

// opcodes is how many opcodes are told apart; larger ones count as opcode 0.
const opcodes = 64

// tally counts the requests that one thread answered. add is for that thread alone; anyone may read.
type tally struct {
	n, failed [opcodes]atomic.Uint64
}

// add counts one finished request. Precondition: on the tally's thread, for it is a load and a store.
func (t *tally) add(op abi.Opcode, failed bool) {
	if op >= opcodes {
		op = 0
	}
	t.n[op].Store(t.n[op].Load() + 1)
	if failed {
		t.failed[op].Store(t.failed[op].Load() + 1)
	}
}

// tallies are all tallies of a mount.
type tallies struct {
	mu  sync.Mutex // guards all
	all []*tally
}

// newTally makes a tally for one thread; transports call it at start. Close is not needed: counts outlive the thread.
func (s *Server) newTally() *tally {
	t := new(tally)
	s.tallies.mu.Lock()
	s.tallies.all = append(s.tallies.all, t)
	s.tallies.mu.Unlock()
	return t
}

// Counter says how often a request of one kind was answered, and how often with an error.
type Counter struct {
	Opcode        abi.Opcode // 0: opcodes that are not known
	Count, Errors uint64
}

// Counters are the requests answered so far, by opcode, without those that never came.
func (s *Server) Counters() []Counter {
	s.tallies.mu.Lock()
	all := s.tallies.all
	s.tallies.mu.Unlock()
	var out []Counter
	for op := range abi.Opcode(opcodes) {
		c := Counter{Opcode: op}
		for _, t := range all {
			c.Count += t.n[op].Load()
			c.Errors += t.failed[op].Load()
		}
		if c.Count > 0 {
			out = append(out, c)
		}
	}
	return out
}

// addShared is add for a tally that several threads use.
func (t *tally) addShared(op abi.Opcode, failed bool) {
	if op >= opcodes {
		op = 0
	}
	t.n[op].Add(1)
	if failed {
		t.failed[op].Add(1)
	}
}
