package memfs

import (
	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// F_RDLCK, F_WRLCK, F_UNLCK.
const (
	readLock = iota
	writeLock
	unlock
)

// locks are the locks of one node, of both kinds, and those who wait, oldest first.
type locks struct {
	held    []vfs.Lock
	waiting []waiter
}

type waiter struct {
	lock  vfs.Lock
	token vfs.Token
}

// answer is a late answer that is given without FS.mu: Complete may send it at once.
type answer struct {
	token vfs.Token
	errno vfs.Errno
}

func grant(as []answer) {
	for _, a := range as {
		a.token.Complete(a.errno, 0)
	}
}

// conflict is the first lock that l cannot have beside it.
func (s *locks) conflict(l *vfs.Lock) *vfs.Lock {
	for i := range s.held {
		h := &s.held[i]
		if h.Owner != l.Owner && h.Flock == l.Flock && h.Start <= l.End && l.Start <= h.End &&
			(h.Type == writeLock || l.Type == writeLock) {
			return h
		}
	}
	return nil
}

// set takes l's range from its owner's locks and adds l, unless it unlocks.
func (s *locks) set(l *vfs.Lock) {
	var out []vfs.Lock
	for _, h := range s.held {
		if h.Owner != l.Owner || h.Flock != l.Flock || h.End < l.Start || l.End < h.Start {
			out = append(out, h)
			continue
		}
		if h.Start < l.Start {
			left := h
			left.End = l.Start - 1
			out = append(out, left)
		}
		if h.End > l.End {
			right := h
			right.Start = l.End + 1
			out = append(out, right)
		}
	}
	if l.Type != unlock {
		out = append(out, *l)
	}
	s.held = out
}

// wake gives waiters what they can have now.
func (s *locks) wake() []answer {
	var done []answer
	rest := s.waiting[:0]
	for _, w := range s.waiting {
		if s.conflict(&w.lock) != nil {
			rest = append(rest, w)
			continue
		}
		s.set(&w.lock)
		done = append(done, answer{w.token, vfs.OK})
	}
	s.waiting = rest
	return done
}

// drop takes all locks of one kind away from an owner.
func (s *locks) drop(owner uint64, flock bool) []answer {
	if len(s.held) == 0 {
		return nil
	}
	s.set(&vfs.Lock{Owner: owner, Flock: flock, FileLock: abi.FileLock{End: ^uint64(0), Type: unlock}})
	return s.wake()
}

// Getlk finds a lock that is in the way.
func (fs *FS) Getlk(_ *vfs.Op, f vfs.Open, lk *vfs.Lock) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if h := fs.nodes[f.Node].locks.conflict(lk); h != nil {
		lk.FileLock = h.FileLock
	} else {
		lk.Type = unlock
	}
	return vfs.OK
}

// Setlk sets a lock; with wait it is Pending until it can be had.
func (fs *FS) Setlk(op *vfs.Op, f vfs.Open, lk *vfs.Lock, wait bool) vfs.Errno {
	fs.mu.Lock()
	s := &fs.nodes[f.Node].locks
	if lk.Type != unlock {
		if s.conflict(lk) != nil {
			defer fs.mu.Unlock()
			if !wait {
				return vfs.EAGAIN
			}
			s.waiting = append(s.waiting, waiter{*lk, op.Token()})
			return vfs.Pending
		}
	}
	s.set(lk)
	done := s.wake()
	fs.mu.Unlock()
	grant(done)
	return vfs.OK
}

// Cancel ends a wait with EINTR.
func (fs *FS) Cancel(t vfs.Token) {
	fs.mu.Lock()
	found := false
	for _, n := range fs.nodes {
		if n == nil {
			continue
		}
		for i, w := range n.locks.waiting {
			if w.token == t {
				n.locks.waiting = append(n.locks.waiting[:i], n.locks.waiting[i+1:]...)
				found = true
				break
			}
		}
	}
	fs.mu.Unlock()
	if found {
		t.Complete(vfs.EINTR, 0)
	}
}

// Unflock drops the flock of an open file that is closed.
func (fs *FS) Unflock(f vfs.Open, owner uint64) {
	fs.mu.Lock()
	done := fs.nodes[f.Node].locks.drop(owner, true)
	fs.mu.Unlock()
	grant(done)
}
