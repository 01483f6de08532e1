//go:build linux

package passthrough

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// lockTable keeps the locks that clients hold and wait for, file by file, and holds them on the host in the owners'
// stead. The clients' own conflicts are settled here; against other processes of the host a waiter tries again and
// again, for a thread that waits in fcntl(2) could never be called back.
//
// Locks: fileLocks.mu (held across calls to the host, so only tried on a loop) > lockWaits.mu, lockRetry.mu, fileLocks.postMu,
// lockShard.mu. Answers are sent with none of them held.
type lockTable struct {
	open func(k vfs.Key, flags int) (int, vfs.Errno) // an open file description of its own
	max  int64                                       // ranges and waiters, each

	maxOwners int64 // descriptors

	files  atomic.Int64 // files with locks or waiters: 0 spares everyone the look
	ranges atomic.Int64
	owners atomic.Int64
	shards [16]lockShard
	waits  lockWaits
	retry  lockRetry
}

type lockShard struct {
	mu    sync.Mutex
	files map[vfs.Key]*fileLocks // guarded by mu
	_     [48]byte
}

// ownerKey names an owner. The kernels of two connections may use the same numbers.
type ownerKey struct {
	conn  *vfs.Conn
	id    uint64
	flock bool
}

// lockOwner is an owner's part in one file: an open file description of the host and what is locked on it.
type lockOwner struct {
	key     ownerKey
	fd      int
	write   bool       // fd may take write locks
	file    vfs.Handle // by which the last lock was taken
	set     lockSet
	waiters int
}

// fileLocks are the locks of one file.
type fileLocks struct {
	key  vfs.Key
	pace *vfs.Pace
	pins int // guarded by the shard's mu

	mu      sync.Mutex
	owners  map[ownerKey]*lockOwner // guarded by mu
	holders []*lockOwner            // those whose set is not empty; guarded by mu
	waiters []*lockWaiter           // in order of arrival; guarded by mu
	closing []int                   // descriptors to be closed where that may wait; guarded by mu

	nposts atomic.Int32
	postMu sync.Mutex
	posts  []lockPost // guarded by postMu
}

// lockDone is an answer to be sent once the locks are free.
type lockDone struct {
	token vfs.Token
	e     vfs.Errno
}

func (t *lockTable) shard(k vfs.Key) *lockShard {
	return &t.shards[uint64(k)*0x9E3779B97F4A7C15>>60]
}

// find pins the locks of a file; nil: there are none.
func (t *lockTable) find(k vfs.Key) *fileLocks {
	if t.files.Load() == 0 {
		return nil
	}
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[k]
	if f != nil {
		f.pins++
	}
	return f
}

// get is find, but makes what is missing.
func (t *lockTable) get(k vfs.Key, pace *vfs.Pace) *fileLocks {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[k]
	if f == nil {
		f = &fileLocks{key: k, pace: pace, owners: make(map[ownerKey]*lockOwner)}
		if s.files == nil {
			s.files = make(map[vfs.Key]*fileLocks)
		}
		s.files[k] = f
		t.files.Add(1)
	}
	f.pins++
	return f
}

func (t *lockTable) pin(f *fileLocks) {
	s := t.shard(f.key)
	s.mu.Lock()
	f.pins++
	s.mu.Unlock()
}

// put ends a pin; what is empty then goes.
func (t *lockTable) put(f *fileLocks) {
	s := t.shard(f.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	f.pins--
	// Without pins nobody is in f.mu, nor will be.
	if f.pins == 0 && len(f.owners) == 0 && len(f.closing) == 0 {
		delete(s.files, f.key)
		t.files.Add(-1)
	}
}

// conflict is a lock of somebody else that excludes want, and whose it is. Preconditions: f.mu is held.
func (f *fileLocks) conflict(me *ownerKey, want *lockRange) (*lockOwner, *lockRange) {
	for _, o := range f.holders {
		if o.key.flock == me.flock && o.key != *me {
			if r := o.set.conflict(want); r != nil {
				return o, r
			}
		}
	}
	return nil, nil
}

// owner is the record of key, made where it is missing; nil: there are too many. Preconditions: f.mu is held.
func (t *lockTable) owner(f *fileLocks, key ownerKey) *lockOwner {
	if o := f.owners[key]; o != nil {
		return o
	}
	if t.owners.Add(1) > t.maxOwners {
		t.owners.Add(-1)
		return nil
	}
	o := &lockOwner{key: key, fd: -1}
	f.owners[key] = o
	return o
}

// apply notes what the host has granted, or taken back. True: others may get more than before.
// Preconditions: f.mu is held.
func (t *lockTable) apply(f *fileLocks, o *lockOwner, r lockRange, unlock bool) (released bool) {
	was := len(o.set)
	o.set, released = o.set.set(r, unlock)
	t.ranges.Add(int64(len(o.set) - was))
	switch {
	case was == 0 && len(o.set) > 0:
		f.holders = append(f.holders, o)
	case was > 0 && len(o.set) == 0:
		f.unhold(o)
	}
	return released
}

func (f *fileLocks) unhold(o *lockOwner) {
	for i, x := range f.holders {
		if x == o {
			f.holders = append(f.holders[:i], f.holders[i+1:]...)
			return
		}
	}
}

// tidy ends an owner that neither holds nor waits for anything. now says whether the thread may wait for the close.
// Preconditions: f.mu is held.
func (t *lockTable) tidy(f *fileLocks, o *lockOwner, now bool) {
	if len(o.set) > 0 || o.waiters > 0 || f.owners[o.key] != o {
		return
	}
	delete(f.owners, o.key)
	t.owners.Add(-1)
	if o.fd < 0 {
		return
	}
	if now {
		unix.Close(o.fd)
	} else {
		f.closing = append(f.closing, o.fd)
	}
	o.fd = -1
}

// prepare gives o a descriptor on which write or read locks can be taken. access is that of the client's own open file (O_RDONLY …).
// Preconditions: f.mu is held.
func (t *lockTable) prepare(f *fileLocks, o *lockOwner, write bool, access int) vfs.Errno {
	if o.fd >= 0 && (o.write || !write || o.key.flock) {
		return vfs.OK
	}
	if o.fd >= 0 {
		access = unix.O_RDWR // it was opened for reading by an earlier request
	}
	if access == unix.O_WRONLY {
		access = unix.O_RDWR // the owner may want a read lock by another file
	}
	fd, e := t.open(f.key, access|unix.O_NONBLOCK|unix.O_CLOEXEC)
	if e != vfs.OK && access == unix.O_RDWR && o.fd < 0 {
		access = unix.O_WRONLY
		if !write {
			access = unix.O_RDONLY
		}
		fd, e = t.open(f.key, access|unix.O_NONBLOCK|unix.O_CLOEXEC)
	}
	switch e {
	case vfs.OK:
	case vfs.EMFILE, vfs.ENFILE:
		return vfs.ENOLCK
	default:
		return e
	}
	if o.fd >= 0 {
		// All that it holds are read locks: the new description takes them too before the old one goes.
		for i := range o.set {
			if e := hostLock(fd, false, &o.set[i]); e != vfs.OK {
				unix.Close(fd)
				return e
			}
		}
		unix.Close(o.fd)
	}
	o.fd, o.write = fd, access != unix.O_RDONLY
	return vfs.OK
}
