package vfs

import (
	"sync"
	"sync/atomic"
)

// ent is a node or a handle of a connection. It holds no pointers, so that a million of them cost the garbage collector
// nothing. Everything but the atomics changes only while the entry is unpublished.
type ent struct {
	id atomic.Uint64 // published wire id: generation<<32 | index; 0: dead
	// node: references owed to the back-end <<32 | lookups that the peer holds, changed under the index shard's lock.
	// handle: the lock owner that RELEASE named.
	word atomic.Uint64
	key  atomic.Uint64
	h    uint64        // handle: the back-end's name of it
	fs   atomic.Uint32 // index into Conn.systems
	pins atomic.Int32  // by ops that left their loop, and by handles; zombie is added when the entry waits only for them
	node uint32        // handle: index of the node's entry, which it pins; a node's own is 0
	gen  uint32
	idx  uint32
	bits atomic.Uint32 // handle: RELEASE's flags; entDir: of a directory
}

// entDir marks a directory's handle in ent.bits, a bit that RELEASE's open flags do not use.
const entDir = 1 << 31

// zombie marks an entry that is retired, past its grace period, and still pinned: the last unpin frees it.
const zombie = 1 << 30

const (
	chunkBits = 10
	chunkLen  = 1 << chunkBits
	maxChunks = 1 << 15 // 33 million entries
	maxOwed   = 1 << 30
)

type chunk [chunkLen]ent

// table maps indices to entries, which never move. Readers take no lock.
type table struct {
	chunks [maxChunks]atomic.Pointer[chunk]
	life   uint32 // generation of the first use of an index: another one in each life of the server

	mu   sync.Mutex
	free []uint32 // guarded by mu
	next uint32   // guarded by mu; index 1 is the first
}

// get finds a wire id. nil: never issued, or dead.
// Preconditions: inside a batch (Epoch), or the caller's entry is pinned, or an index shard's lock keeps it alive.
func (t *table) get(id uint64) *ent {
	e := t.at(uint32(id))
	if e == nil || e.id.Load() != id {
		return nil
	}
	return e
}

// at is the entry of an index, alive or not.
func (t *table) at(i uint32) *ent {
	if i == 0 || i>>chunkBits >= maxChunks {
		return nil
	}
	c := t.chunks[i>>chunkBits].Load()
	if c == nil {
		return nil
	}
	return &c[i&(chunkLen-1)]
}

// alloc takes a dead entry; nil: the table is full.
func (t *table) alloc() *ent {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		return t.at(i)
	}
	i := t.next + 1
	if i>>chunkBits >= maxChunks {
		return nil
	}
	t.next = i
	c := &t.chunks[i>>chunkBits]
	if c.Load() == nil {
		c.Store(new(chunk))
	}
	e := &c.Load()[i&(chunkLen-1)]
	e.idx, e.gen = i, t.life
	return e
}

// put gives an entry back that nobody can reach any more.
func (t *table) put(e *ent) {
	e.gen++
	e.pins.Store(0)
	e.word.Store(0)
	t.mu.Lock()
	t.free = append(t.free, e.idx)
	t.mu.Unlock()
}

// publish makes e reachable and returns its wire id.
func (e *ent) publish() uint64 {
	id := uint64(e.gen)<<32 | uint64(e.idx)
	e.id.Store(id)
	return id
}

// each calls f for every live entry. For shutdown and tests: entries that come meanwhile may be missed.
func (t *table) each(f func(*ent)) {
	t.mu.Lock()
	n := t.next
	t.mu.Unlock()
	for i := uint32(1); i <= n; i++ {
		if e := t.at(i); e != nil && e.id.Load() != 0 {
			f(e)
		}
	}
}

// used is the number of entries that are alive or not yet reclaimed.
func (t *table) used() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(t.next) - len(t.free)
}
