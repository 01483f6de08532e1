package vfs

import (
	"sync"

	"github.com/fastfsd/fastfsd/vfs/numtab"
)

// index finds the node entry of a (file system, key), in shards.
type index struct {
	nodes  *table
	shards [64]indexShard
}

type indexShard struct {
	mu  sync.Mutex
	tab numtab.Table // guarded by mu
	_   [16]byte
}

func mix(fs uint32, k Key) uint64 {
	h := (uint64(k) ^ uint64(fs)<<40) * 0x9E3779B97F4A7C15
	return h ^ h>>29
}

func (x *index) shard(h uint64) *indexShard { return &x.shards[h>>58] }

// hash is the hash of an entry that is in the index.
func (x *index) hash(i uint32) uint64 {
	e := x.nodes.at(i)
	return mix(e.fs.Load(), Key(e.key.Load()))
}

// find returns the entry of (fs, k) or nil. Preconditions: s.mu is held, h is mix(fs, k).
func (x *index) find(s *indexShard, h uint64, fs uint32, k Key) *ent {
	p := s.tab.Probe(h)
	for i := p.Next(); i != 0; i = p.Next() {
		if e := x.nodes.at(i); e.fs.Load() == fs && Key(e.key.Load()) == k {
			return e
		}
	}
	return nil
}

// insert adds e, which is not there. Preconditions as find's.
func (x *index) insert(s *indexShard, h uint64, e *ent) { s.tab.Insert(h, e.idx, x.hash) }

// remove takes e out; false: it is not there. Preconditions as find's.
func (x *index) remove(s *indexShard, h uint64, e *ent) bool { return s.tab.Remove(h, e.idx, x.hash) }
