package engine

import (
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// job is what a slot wants of the pool.
type job uint8

const (
	jobRun job = iota // Conn.Run
	jobIO             // the extent of a request whose method has returned
)

const defaultRest = 10 * time.Second

// pool is threads for calls that may wait. They are locked, for a back-end may switch a thread's credentials. Threads
// are made when there is work and all others are busy; the one that rested last works first. The queue needs no bound:
// the transports' slots are one.
type pool struct {
	e    *Engine
	rest time.Duration // how long a thread waits for work before it ends; immutable

	mu         sync.Mutex
	head, tail *Slot     // guarded by mu; first in, first out, linked by Slot.next
	idle       []*worker // guarded by mu
	n          int       // guarded by mu; threads
	closed     bool      // guarded by mu
}

// worker is a resting thread.
type worker struct {
	slot *Slot // its next work, set before wake; nil: end
	word futex
}

// put gives the pool a request.
func (p *pool) put(s *Slot) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		w.slot = s
		w.word.wake()
		return
	}
	if p.n < p.e.cfg.Pool {
		p.n++
		p.mu.Unlock()
		p.e.threads.Add(1)
		go p.work(s)
		return
	}
	s.next = nil
	if p.tail == nil {
		p.head = s
	} else {
		p.tail.next = s
	}
	p.tail = s
	p.mu.Unlock()
}

// pop takes the next request off the queue. Preconditions: mu is held.
func (p *pool) pop() *Slot {
	s := p.head
	if s != nil {
		p.head, s.next = s.next, nil
		if p.head == nil {
			p.tail = nil
		}
	}
	return s
}

// work is a thread of the pool. One whose credentials are in doubt dies, and another takes its place.
func (p *pool) work(s *Slot) {
	defer p.e.threads.Done()
	runtime.LockOSThread()
	debug.SetPanicOnFault(true)
	w := &worker{}
	for s != nil {
		if p.e.finish(s) {
			p.replace()
			return // still locked: the thread ends
		}
		s = p.next(w)
	}
	debug.SetPanicOnFault(false)
	runtime.UnlockOSThread()
}

// replace starts another thread in the caller's place, if there is work for it.
func (p *pool) replace() {
	p.mu.Lock()
	s := p.pop()
	if s == nil {
		p.n--
	}
	p.mu.Unlock()
	if s != nil {
		p.e.threads.Add(1)
		go p.work(s)
	}
}

// next is the worker's next request; nil: there was none for long, or the pool ends.
func (p *pool) next(w *worker) *Slot {
	p.mu.Lock()
	if s := p.pop(); s != nil {
		p.mu.Unlock()
		return s
	}
	if p.closed {
		p.n--
		p.mu.Unlock()
		return nil
	}
	w.slot = nil
	w.word.reset()
	p.idle = append(p.idle, w)
	p.mu.Unlock()
	end := time.Now().Add(p.rest)
	for !w.word.wait(time.Until(end)) {
		if time.Now().Before(end) {
			continue
		}
		p.mu.Lock()
		if i := slices.Index(p.idle, w); i >= 0 {
			p.idle = slices.Delete(p.idle, i, i+1)
			p.n--
			p.mu.Unlock()
			return nil
		}
		p.mu.Unlock()
		end = time.Now().Add(p.rest) // it was chosen: the wake is on its way
	}
	if w.slot == nil {
		p.mu.Lock()
		p.n--
		p.mu.Unlock()
	}
	return w.slot
}

// close ends the threads that rest, and the others when their work is done.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, w := range idle {
		w.word.wake()
	}
}
