package vfs

import (
	"sync"
	"sync/atomic"
	"time"
)

// Epoch is one thread's part in the reclamation of a connection's entries. Between Enter and Exit the entries that the
// thread finds in the tables stay what they are. A thread between batches holds nothing up, however long it sleeps.
type Epoch struct {
	at   atomic.Uint64 // 0: between batches
	conn *Conn
	_    [48]byte
}

// limbo is an entry that newcomers cannot find and that may still be in use by whoever found it before.
type limbo struct {
	e     *ent
	since uint64
}

// reclaimer keeps what waits for its grace period.
type reclaimer struct {
	clock atomic.Uint64 // one more with each retirement; never 0
	n     atomic.Int32  // len(limbo), to look at without the lock
	busy  atomic.Bool   // one thread frees at a time
	again atomic.Bool   // another one wanted to meanwhile
	ready []limbo       // guarded by busy

	mu     sync.Mutex
	epochs []*Epoch // guarded by mu
	limbo  []limbo  // guarded by mu
}

// Epoch registers a thread that will call Begin; it belongs to that thread.
func (c *Conn) Epoch() *Epoch {
	ep := &Epoch{conn: c}
	c.rc.mu.Lock()
	c.rc.epochs = append(c.rc.epochs, ep)
	c.rc.mu.Unlock()
	return ep
}

// Close takes the thread out. Not between Enter and Exit.
func (ep *Epoch) Close() {
	rc := &ep.conn.rc
	rc.mu.Lock()
	defer rc.mu.Unlock()
	for i, x := range rc.epochs {
		if x == ep {
			rc.epochs = append(rc.epochs[:i], rc.epochs[i+1:]...)
			return
		}
	}
}

// Enter begins a batch.
func (ep *Epoch) Enter() { ep.at.Store(ep.conn.rc.clock.Load()) }

// Exit ends a batch and frees what no batch can see any more.
func (ep *Epoch) Exit() {
	ep.at.Store(0)
	if ep.conn.rc.n.Load() > 0 {
		ep.conn.reclaim()
	}
}

// retire puts an entry into limbo that newcomers cannot find any more.
func (c *Conn) retire(e *ent) {
	rc := &c.rc
	rc.mu.Lock()
	// A batch that enters at this tick or later cannot have found the entry.
	rc.limbo = append(rc.limbo, limbo{e, rc.clock.Add(1)})
	rc.n.Store(int32(len(rc.limbo)))
	rc.mu.Unlock()
}

// reclaim frees everything in limbo that every running batch has left behind. One thread at a time does it; one that
// comes meanwhile leaves its wish behind, so that nothing stays in limbo once all are idle.
func (c *Conn) reclaim() {
	rc := &c.rc
	rc.again.Store(true)
	for rc.again.Load() && rc.busy.CompareAndSwap(false, true) {
		rc.again.Store(false)
		c.takeReady()
		for _, x := range rc.ready {
			if x.e.pins.Add(zombie) == zombie {
				c.free(x.e)
			}
		}
		rc.busy.Store(false)
	}
}

func (c *Conn) takeReady() {
	rc := &c.rc
	rc.mu.Lock()
	defer rc.mu.Unlock()
	low := ^uint64(0)
	for _, ep := range rc.epochs {
		if at := ep.at.Load(); at != 0 {
			low = min(low, at)
		}
	}
	rc.ready = rc.ready[:0]
	keep := rc.limbo[:0]
	for _, x := range rc.limbo {
		if x.since > low {
			keep = append(keep, x)
		} else {
			rc.ready = append(rc.ready, x)
		}
	}
	rc.limbo = keep
	rc.n.Store(int32(len(keep)))
}

// graceLimit is how long graced waits for a batch that does not end: longer than a thread waits for its CPU on a busy machine.
const graceLimit = 2 * time.Second

// graced waits until all is freed that is in limbo now: a thread that lost its CPU in the middle of a batch keeps thousands of
// released files open. False: it takes too long. Not inside a batch.
func (c *Conn) graced() bool {
	deadline, mark := time.Now().Add(graceLimit), c.rc.clock.Load()
	if !until(deadline, func() bool { c.reclaim(); return c.rc.past(mark) }) {
		return false
	}
	added, _ := c.janitor.counts()
	return until(deadline, func() bool { _, done := c.janitor.counts(); return done >= added })
}

func until(deadline time.Time, ok func() bool) bool {
	for !ok() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(time.Millisecond)
	}
	return true
}

// past says whether nothing is left of what was retired up to a tick.
func (rc *reclaimer) past(mark uint64) bool {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return !rc.busy.Load() && (len(rc.limbo) == 0 || rc.limbo[0].since > mark)
}

// unpin gives a counted pin back; the last one of a zombie frees it.
func (c *Conn) unpin(e *ent) {
	if e.pins.Add(-1) == zombie {
		c.free(e)
	}
}

// free gives an entry back to its file system and its table. Nobody can reach it any more. A file system that is not
// Inline may wait in its Release and Forget: the janitor calls it.
func (c *Conn) free(e *ent) {
	o := c.system(e.fs.Load())
	if !o.Inline {
		c.janitor.add(c, e)
		return
	}
	c.give(o, e)
}

// give calls the file system's Release or Forget for a freed entry and ends the entry.
func (c *Conn) give(o *Ops, e *ent) {
	defer func() {
		if v := recover(); v != nil {
			c.panicked(0, v)
		}
	}()
	key := Key(e.key.Load())
	if e.node == 0 {
		owed := e.word.Load() >> 32
		c.nodes.put(e)
		if owed > 0 {
			o.Forget(key, owed)
		}
	} else {
		f, flags, owner, node := Open{key, Handle(e.h)}, e.bits.Load(), e.word.Load(), c.nodes.at(e.node)
		c.handles.put(e)
		if flags&entDir != 0 {
			o.Releasedir(f)
		} else {
			o.Release(f, flags, owner)
		}
		c.unpin(node)
	}
	if c.live.Add(-1) == 0 {
		c.ended()
	}
}

// janitor calls Release and Forget of file systems that may wait, on a bounded number of goroutines.
type janitor struct {
	mu      sync.Mutex
	queue   []*ent // guarded by mu
	workers int    // guarded by mu
	added   uint64 // guarded by mu
	done    uint64 // of those that were added; guarded by mu
}

const janitors = 16

func (j *janitor) add(c *Conn, e *ent) {
	j.mu.Lock()
	j.queue = append(j.queue, e)
	j.added++
	start := j.workers < janitors && j.workers < len(j.queue)
	if start {
		j.workers++
	}
	j.mu.Unlock()
	if start {
		go j.work(c)
	}
}

func (j *janitor) work(c *Conn) {
	for {
		j.mu.Lock()
		if len(j.queue) == 0 {
			j.queue = nil
			j.workers--
			j.mu.Unlock()
			return
		}
		e := j.queue[0]
		j.queue = j.queue[1:]
		j.mu.Unlock()
		c.give(c.system(e.fs.Load()), e)
		j.mu.Lock()
		j.done++
		j.mu.Unlock()
	}
}

// counts are how many entries came, and how many have gone.
func (j *janitor) counts() (added, done uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.added, j.done
}
