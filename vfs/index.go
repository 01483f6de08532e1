package vfs

import "sync"

// index finds the node entry of a (file system, key): open addressing over entry indices, 4 bytes a slot, in shards.
type index struct {
	nodes  *table
	shards [64]indexShard
}

type indexShard struct {
	mu   sync.Mutex
	tab  []uint32 // guarded by mu; 0 free, tombstone deleted
	used int      // guarded by mu; live and deleted
	live int      // guarded by mu
	_    [16]byte
}

const tombstone = ^uint32(0)

func mix(fs uint32, k Key) uint64 {
	h := (uint64(k) ^ uint64(fs)<<40) * 0x9E3779B97F4A7C15
	return h ^ h>>29
}

func (x *index) shard(h uint64) *indexShard { return &x.shards[h>>58] }

// find returns the entry of (fs, k) or nil. Preconditions: s.mu is held, h is mix(fs, k).
func (x *index) find(s *indexShard, h uint64, fs uint32, k Key) *ent {
	if len(s.tab) == 0 {
		return nil
	}
	mask := uint64(len(s.tab) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch v := s.tab[i]; v {
		case 0:
			return nil
		case tombstone:
		default:
			if e := x.nodes.at(v); e.fs.Load() == fs && Key(e.key.Load()) == k {
				return e
			}
		}
	}
}

// insert adds e, which is not there. Preconditions as find's.
func (x *index) insert(s *indexShard, h uint64, e *ent) {
	if (s.used+1)*4 > len(s.tab)*3 {
		x.rehash(s)
	}
	mask := uint64(len(s.tab) - 1)
	i := h & mask
	for s.tab[i] != 0 && s.tab[i] != tombstone {
		i = (i + 1) & mask
	}
	if s.tab[i] == 0 {
		s.used++
	}
	s.tab[i] = e.idx
	s.live++
}

// remove takes e out; false: it is not there. Preconditions as find's.
func (x *index) remove(s *indexShard, h uint64, e *ent) bool {
	if len(s.tab) == 0 {
		return false
	}
	mask := uint64(len(s.tab) - 1)
	for i := h & mask; s.tab[i] != 0; i = (i + 1) & mask {
		if s.tab[i] != e.idx {
			continue
		}
		s.live--
		if s.tab[(i+1)&mask] == 0 {
			s.tab[i] = 0
			s.used--
		} else {
			s.tab[i] = tombstone
		}
		return true
	}
	return false
}

func (x *index) rehash(s *indexShard) {
	n := 16
	for n < s.live*2+2 {
		n *= 2
	}
	old := s.tab
	s.tab = make([]uint32, n)
	mask := uint64(n - 1)
	for _, v := range old {
		if v == 0 || v == tombstone {
			continue
		}
		e := x.nodes.at(v)
		i := mix(e.fs.Load(), Key(e.key.Load())) & mask
		for s.tab[i] != 0 {
			i = (i + 1) & mask
		}
		s.tab[i] = v
	}
	s.used = s.live
}
