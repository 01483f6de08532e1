//go:build linux

package passthrough

import (
	"sync"
	"sync/atomic"

	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/numtab"
)

// handleMax is the longest file handle that is kept, in bytes. Files with a longer one keep a descriptor.
const handleMax = 24

// ident is what makes an inode one: birth tells two uses of an inode number apart where the host knows it.
type ident struct {
	ino   uint64
	birth int64  // ns
	mnt   uint32 // index of the host mount, which knows the device
}

// inode is a node of the host that the client knows. No pointers: a million of them cost the collector nothing.
type inode struct {
	ident
	refs   int64         // Entries handed out and not given back; guarded by the shard's mu
	seen   atomic.Uint64 // version of the contents when it was last opened; 0: unknown
	fd     atomic.Int32  // O_PATH; -1: none now
	pins   atomic.Int32  // users of fd; negative while the inode is locked (fdcache.go)
	use    atomic.Uint32 // useHot, useKept
	key    uint32        // its own number in FS.inodes
	typ    uint16        // S_IFMT bits
	hlen   uint8         // 0: no handle, fd is kept for life
	listed bool          // in fdCache.list; guarded by fdCache.mu
	htype  int32
	handle [handleMax]byte
}

const (
	useHot  = 1 << iota // fd was used since the clock's hand was here
	useKept             // the handle would be stale: fd is kept for life
)

// shard is a part of the index: ident → number of the inode.
type shard struct {
	mu  sync.Mutex
	tab numtab.Table // guarded by mu
	_   [16]byte
}

func (id *ident) hash() uint64 {
	h := (id.ino ^ uint64(id.mnt)<<52 ^ uint64(id.birth)<<7) * 0x9E3779B97F4A7C15
	return h ^ h>>29
}

func (fs *FS) shard(h uint64) *shard { return &fs.shards[h>>58] }

// find is the inode of id. Preconditions: s.mu is held, h is id's hash.
func (fs *FS) find(s *shard, h uint64, id *ident) (uint32, *inode) {
	p := s.tab.Probe(h)
	for k := p.Next(); k != 0; k = p.Next() {
		if n := fs.inodes.get(uint64(k)); n.ident == *id {
			return k, n
		}
	}
	return 0, nil
}

// retain finds the inode of id and takes a reference of it; nil: it is not known.
func (fs *FS) retain(id *ident) (uint32, *inode) {
	h := id.hash()
	s := fs.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, n := fs.find(s, h, id)
	if n != nil {
		n.refs++
	}
	return k, n
}

// hashOf is the hash of an inode that is in a shard.
func (fs *FS) hashOf(k uint32) uint64 { return fs.inodes.get(uint64(k)).hash() }

func (fs *FS) insert(s *shard, h uint64, k uint32) { s.tab.Insert(h, k, fs.hashOf) }

// node is the inode of a key; nil: there is none.
func (fs *FS) node(k vfs.Key) *inode { return fs.inodes.get(uint64(k)) }

// Forget gives references back; the last one frees the inode.
func (fs *FS) Forget(k vfs.Key, refs uint64) {
	n := fs.node(k)
	h := n.hash()
	s := fs.shard(h)
	s.mu.Lock()
	n.refs -= int64(refs)
	last := n.refs == 0
	if last {
		s.tab.Remove(h, uint32(k), fs.hashOf)
	}
	bad := n.refs < 0
	s.mu.Unlock()
	if bad {
		panic("passthrough: more references given back than taken")
	}
	if !last {
		return
	}
	fs.locks.drop(k)
	fs.unopened.drop(k)
	n.lock()
	fs.dropFD(n)
	n.hlen = 0
	n.unlock()
	fs.mounts.put(n.mnt)
	fs.inodes.put(uint64(k))
}

// Retain takes one more reference.
func (fs *FS) Retain(k vfs.Key) {
	n := fs.node(k)
	s := fs.shard(n.hash())
	s.mu.Lock()
	n.refs++
	s.mu.Unlock()
}
