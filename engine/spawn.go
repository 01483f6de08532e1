package engine

import (
	"runtime/debug"
	"sync"
)

// maxRunners is how many goroutines rest at most; more are made and end again.
const maxRunners = 64

// spawner runs the requests of file systems that know nothing of loops, a goroutine each.
type spawner struct {
	e *Engine

	mu     sync.Mutex
	free   *runner // guarded by mu; the one that rested last first
	idle   int     // guarded by mu
	closed bool    // guarded by mu
}

// runner is a resting goroutine.
type runner struct {
	work chan *Slot // capacity 1; nil is the end
	next *runner
}

func (p *spawner) put(s *Slot) {
	s.job = jobRun
	p.mu.Lock()
	r := p.free
	if r == nil {
		p.mu.Unlock()
		go p.run(s)
		return
	}
	p.free = r.next
	p.idle--
	p.mu.Unlock()
	r.work <- s
}

func (p *spawner) run(s *Slot) {
	debug.SetPanicOnFault(true)
	r := &runner{work: make(chan *Slot, 1)}
	for s != nil {
		if tainted := p.e.finish(s); tainted || !p.rest(r) {
			return // a file system that has locked the thread may have left it so: it ends with the goroutine
		}
		s = <-r.work
	}
}

// rest puts the runner on the free list; false: it is to end.
func (p *spawner) rest(r *runner) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.idle >= maxRunners {
		return false
	}
	r.next = p.free
	p.free = r
	p.idle++
	return true
}

// close ends the goroutines that rest, and the others when their work is done.
func (p *spawner) close() {
	p.mu.Lock()
	r := p.free
	p.free, p.idle, p.closed = nil, 0, true
	p.mu.Unlock()
	for ; r != nil; r = r.next {
		r.work <- nil
	}
}
