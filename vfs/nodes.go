package vfs

import "github.com/fastfsd/fastfsd/abi"

// intern takes over one reference of a node and counts one lookup of it; 0: the table is full and the reference was
// given back. It comes before the reply is visible, for the FORGET may overtake it.
func (c *Conn) intern(fs uint32, k Key) (id uint64) {
	h := mix(fs, k)
	s := c.index.shard(h)
	s.mu.Lock()
	if e := c.index.find(s, h, fs, k); e != nil {
		w := e.word.Load() + 1<<32
		if uint32(w) != ^uint32(0) { // a peer that never forgets keeps its node for ever; the count does not wrap
			w++
		}
		var extra uint64
		if w>>32 > maxOwed { // keep one reference, give the rest back
			extra = w>>32 - 1
			w -= extra << 32
		}
		e.word.Store(w)
		id = e.id.Load()
		s.mu.Unlock()
		if extra > 0 {
			c.system(fs).Forget(k, extra)
		}
		return id
	}
	e := c.nodes.alloc()
	if e == nil {
		s.mu.Unlock()
		c.system(fs).Forget(k, 1)
		return 0
	}
	c.live.Add(1)
	e.fs.Store(fs)
	e.key.Store(uint64(k))
	e.word.Store(1<<32 | 1)
	e.node = 0
	c.index.insert(s, h, e)
	id = e.publish()
	s.mu.Unlock()
	return id
}

// forget gives n lookups back. More than there are is clamped; a dead or unknown id and the root are ignored.
func (c *Conn) forget(id, n uint64) {
	e := c.nodes.at(uint32(id))
	if e == nil || id == abi.RootID || n == 0 {
		return
	}
	fs, k := e.fs.Load(), Key(e.key.Load())
	h := mix(fs, k)
	s := c.index.shard(h)
	s.mu.Lock()
	// An entry that was used again meanwhile has another id; one that has this id is alive as long as the lock is held.
	if e.id.Load() != id {
		s.mu.Unlock()
		return
	}
	w := e.word.Load()
	w -= min(n, w&0xffffffff)
	e.word.Store(w)
	if w&0xffffffff != 0 {
		s.mu.Unlock()
		return
	}
	c.index.remove(s, h, e)
	e.id.Store(0)
	s.mu.Unlock()
	c.retire(e)
}

// addHandle enters an open file; 0: the table is full, and the caller owes the Release.
// Preconditions: node is in use by the running op.
func (c *Conn) addHandle(fs uint32, f Open, node *ent, dir bool) uint64 {
	e := c.handles.alloc()
	if e == nil {
		return 0
	}
	c.live.Add(1)
	node.pins.Add(1)
	e.fs.Store(fs)
	e.key.Store(uint64(f.Node))
	e.h, e.node = uint64(f.H), node.idx
	e.bits.Store(0)
	if dir {
		e.bits.Store(entDir)
	}
	return e.publish()
}

// dropHandle ends a handle; false: another one did. Its Release follows after the grace period.
func (c *Conn) dropHandle(e *ent, id uint64, flags uint32, owner uint64) bool {
	if !e.id.CompareAndSwap(id, 0) {
		return false
	}
	e.bits.Store(e.bits.Load()&entDir | flags&^entDir)
	e.word.Store(owner)
	c.retire(e)
	return true
}

// drop takes all handles and nodes away from the peer at once; the root stays, unless everything ends.
func (c *Conn) drop(root bool) {
	c.handles.each(func(e *ent) {
		if id := e.id.Load(); id != 0 {
			c.dropHandle(e, id, 0, 0)
		}
	})
	c.nodes.each(func(e *ent) {
		id := e.id.Load()
		if id == 0 || id == abi.RootID && !root {
			return
		}
		h := mix(e.fs.Load(), Key(e.key.Load()))
		s := c.index.shard(h)
		s.mu.Lock()
		if e.id.Load() != id {
			s.mu.Unlock()
			return
		}
		c.index.remove(s, h, e)
		e.id.Store(0)
		s.mu.Unlock()
		c.retire(e)
	})
	c.reclaim()
}

// Live is the number of nodes and handles that the peer holds or that wait to be freed; a connection at rest has one node, the root.
func (c *Conn) Live() (nodes, handles int) {
	c.reclaim()
	return c.nodes.used(), c.handles.used()
}

// NodeID is the wire id of a node, for notifications; 0: the peer does not know it.
func (c *Conn) NodeID(o *Ops, k Key) uint64 {
	fs, ok := c.knownSystem(o)
	if !ok {
		return 0
	}
	h := mix(fs, k)
	s := c.index.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := c.index.find(s, h, fs, k); e != nil {
		return e.id.Load()
	}
	return 0
}
