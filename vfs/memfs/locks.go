package memfs

import (
	"slices"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// F_RDLCK, F_WRLCK, F_UNLCK.
const (
	readLock = iota
	writeLock
	unlock
)

// maxLocks are the locks that one node keeps.
const maxLocks = 1 << 14

// locks are the locks of one node, of both kinds, and those who wait, oldest first. Guarded by FS.mu.
type locks struct {
	held    []held
	waiting []waiter
}

type held struct {
	vfs.Lock
	file vfs.Handle // that it was set through
}

type waiter struct {
	lock  held
	token vfs.Token
}

// wait is what a Pending request waits for.
type wait struct {
	node *node
	lock vfs.Lock
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

// blocks says whether l cannot be had beside h.
func blocks(h, l *vfs.Lock) bool {
	return h.Owner != l.Owner && h.Flock == l.Flock && h.Start <= l.End && l.Start <= h.End &&
		(h.Type == writeLock || l.Type == writeLock)
}

// conflict is the first lock that l cannot have beside it.
func (s *locks) conflict(l *vfs.Lock) *vfs.Lock {
	for i := range s.held {
		if h := &s.held[i].Lock; blocks(h, l) {
			return h
		}
	}
	return nil
}

// set takes l's range from its owner's locks and adds l, unless it unlocks.
func (s *locks) set(l *held) {
	var out []held
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

// wake gives waiters what they can have now. Preconditions: mu is held.
func (fs *FS) wake(s *locks) []answer {
	var done []answer
	rest := s.waiting[:0]
	for _, w := range s.waiting {
		if s.conflict(&w.lock.Lock) != nil {
			rest = append(rest, w)
			continue
		}
		s.set(&w.lock)
		delete(fs.waits, w.token)
		done = append(done, answer{w.token, vfs.OK})
	}
	s.waiting = rest
	return done
}

// unlockAll takes all locks of one kind away from an owner. Preconditions: mu is held.
func (fs *FS) unlockAll(n *node, owner uint64, flock bool) []answer {
	s := &n.locks
	if len(s.held) == 0 {
		return nil
	}
	s.set(&held{Lock: vfs.Lock{Owner: owner, Flock: flock, FileLock: abi.FileLock{End: ^uint64(0), Type: unlock}}})
	return fs.wake(s)
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
	done, e := fs.setlk(op, fs.nodes[f.Node], &held{*lk, f.H}, wait)
	fs.mu.Unlock()
	grant(done)
	return e
}

// setlk is Setlk up to the answers that it gives to others. Preconditions: mu is held.
func (fs *FS) setlk(op *vfs.Op, n *node, lk *held, block bool) (done []answer, e vfs.Errno) {
	s := &n.locks
	switch {
	case lk.Type == unlock:
	case s.conflict(&lk.Lock) == nil:
		if len(s.held) >= maxLocks {
			return nil, vfs.ENOLCK
		}
	case !block:
		return nil, vfs.EAGAIN
	case !lk.Flock && fs.deadlock(n, &lk.Lock):
		return nil, vfs.EDEADLK
	default:
		if lk.Flock { // flock(2) gives the old lock up before it waits for the new one, or two could wait for each other
			done = fs.unlockAll(n, lk.Owner, true)
		}
		t := op.Token()
		s.waiting = append(s.waiting, waiter{*lk, t})
		fs.waits[t] = wait{n, lk.Lock}
		return done, vfs.Pending
	}
	s.set(lk)
	return fs.wake(s), vfs.OK
}

// deadlock says whether someone who is in lk's way waits for lk's owner, if over others. Preconditions: mu is held.
func (fs *FS) deadlock(n *node, lk *vfs.Lock) bool {
	seen := map[uint64]bool{}
	next := n.locks.blockers(nil, lk)
	for len(next) > 0 {
		owner := next[len(next)-1]
		next = next[:len(next)-1]
		if owner == lk.Owner {
			return true
		}
		if seen[owner] {
			continue
		}
		seen[owner] = true
		for _, w := range fs.waits {
			if w.lock.Owner == owner && !w.lock.Flock {
				next = w.node.locks.blockers(next, &w.lock)
			}
		}
	}
	return false
}

// blockers appends the owners of the locks that l cannot have beside it.
func (s *locks) blockers(to []uint64, l *vfs.Lock) []uint64 {
	for i := range s.held {
		if h := &s.held[i].Lock; blocks(h, l) {
			to = append(to, h.Owner)
		}
	}
	return to
}

// Cancel ends a wait with EINTR.
func (fs *FS) Cancel(t vfs.Token) {
	fs.mu.Lock()
	w, waits := fs.waits[t]
	if waits {
		delete(fs.waits, t)
		s := &w.node.locks
		s.waiting = slices.DeleteFunc(s.waiting, func(w waiter) bool { return w.token == t })
	}
	fs.mu.Unlock()
	if waits {
		t.Complete(vfs.EINTR, 0)
	}
}

// Unflock drops the flock of an open file that is closed.
func (fs *FS) Unflock(f vfs.Open, owner uint64) {
	fs.mu.Lock()
	done := fs.unlockAll(fs.nodes[f.Node], owner, true)
	fs.mu.Unlock()
	grant(done)
}
