//go:build linux

package passthrough

import (
	"sync"
	"sync/atomic"

	"github.com/fastfsd/fastfsd/vfs"
)

// lockWaiter is a SETLKW that has not been answered. It pins its file's locks while it is in their queue.
type lockWaiter struct {
	f     *fileLocks
	o     *lockOwner
	token vfs.Token
	file  vfs.Handle
	want  lockRange

	state   atomic.Uint32
	foreign bool     // a process of the host is in the way; guarded by f.mu
	blocker ownerKey // the owner in the way; zero where there is none of ours; guarded by lockWaits.mu
}

// The states of a waiter. Whoever moves it to waitDone answers it.
const (
	waitQueued    = iota
	waitTrying    // the holder of f.mu tries to get the lock
	waitCancelled // like waitTrying, and the client wants it no more
	waitDone
)

// lockWaits knows who waits for whom, over all files.
type lockWaits struct {
	mu      sync.Mutex
	byToken map[vfs.Token]*lockWaiter  // guarded by mu
	byOwner map[ownerKey][]*lockWaiter // POSIX owners only; guarded by mu
	n       int                        // guarded by mu
}

// add enters w, which b keeps waiting (nil: a process of the host). EDEADLK: w's owner keeps b's waiting.
func (ws *lockWaits) add(w *lockWaiter, b *lockOwner, limit int64) vfs.Errno {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if int64(ws.n) >= limit {
		return vfs.ENOLCK
	}
	if e := ws.block(w, b); e != vfs.OK {
		return e
	}
	if ws.byToken == nil {
		ws.byToken = make(map[vfs.Token]*lockWaiter)
		ws.byOwner = make(map[ownerKey][]*lockWaiter)
	}
	ws.n++
	ws.byToken[w.token] = w
	if !w.o.key.flock {
		ws.byOwner[w.o.key] = append(ws.byOwner[w.o.key], w)
	}
	return vfs.OK
}

// reblock notes that b is in w's way now.
func (ws *lockWaits) reblock(w *lockWaiter, b *lockOwner) vfs.Errno {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return ws.block(w, b)
}

func (ws *lockWaits) block(w *lockWaiter, b *lockOwner) vfs.Errno {
	if b == nil {
		w.blocker = ownerKey{}
		return vfs.OK
	}
	if w.blocker == b.key {
		return vfs.OK
	}
	if !b.key.flock && ws.reaches(b.key, w.o.key) {
		return vfs.EDEADLK
	}
	w.blocker = b.key
	return vfs.OK
}

// reaches says whether from waits, directly or not, for to. Preconditions: ws.mu is held.
func (ws *lockWaits) reaches(from, to ownerKey) bool {
	if len(ws.byOwner[from]) == 0 {
		return false
	}
	seen := map[ownerKey]bool{from: true}
	for todo := []ownerKey{from}; len(todo) > 0; {
		k := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, w := range ws.byOwner[k] {
			b := w.blocker
			if b == to {
				return true
			}
			if b != (ownerKey{}) && !seen[b] {
				seen[b] = true
				todo = append(todo, b)
			}
		}
	}
	return false
}

func (ws *lockWaits) remove(w *lockWaiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.byToken[w.token] != w {
		return
	}
	ws.n--
	delete(ws.byToken, w.token)
	k := w.o.key
	if k.flock {
		return
	}
	rest := ws.byOwner[k][:0]
	for _, x := range ws.byOwner[k] {
		if x != w {
			rest = append(rest, x)
		}
	}
	if len(rest) == 0 {
		delete(ws.byOwner, k)
	} else {
		ws.byOwner[k] = rest
	}
}

// waiter is the waiter of a token, its file pinned; nil: it was answered.
func (t *lockTable) waiter(tok vfs.Token) *lockWaiter {
	t.waits.mu.Lock()
	defer t.waits.mu.Unlock()
	w := t.waits.byToken[tok]
	if w != nil { // whoever ends its own pin takes it out of byToken first, or leaves that to a cancel that has a pin too
		t.pin(w.f)
	}
	return w
}

// enqueue makes a waiter of the request. b is the owner in its way; nil: a process of the host.
// Preconditions: f.mu is held.
func (t *lockTable) enqueue(op *vfs.Op, f *fileLocks, o *lockOwner, h vfs.Handle, want lockRange, b *lockOwner) vfs.Errno {
	w := &lockWaiter{f: f, o: o, token: op.Token(), file: h, want: want, foreign: b == nil}
	if e := t.waits.add(w, b, t.max); e != vfs.OK {
		return e
	}
	f.waiters = append(f.waiters, w)
	o.waiters++
	t.pin(f)
	if b == nil {
		t.retry.schedule(t, f, retryFirst)
	}
	return vfs.Pending
}

// cancel answers a waiter with EINTR, unless it gets its lock at this moment. It waits for nothing.
func (t *lockTable) cancel(tok vfs.Token) {
	w := t.waiter(tok)
	if w == nil {
		return // answered already
	}
	defer t.put(w.f)
	for {
		switch w.state.Load() {
		case waitQueued:
			if !w.state.CompareAndSwap(waitQueued, waitDone) {
				continue
			}
			t.waits.remove(w)
			t.retry.schedule(t, w.f, 0) // it still stands in the queue
			tok.Complete(vfs.EINTR, 0)
			return
		case waitTrying:
			if w.state.CompareAndSwap(waitTrying, waitCancelled) {
				return
			}
		default:
			return
		}
	}
}

// grant gives waiters what is free now. now says whether the thread may close descriptors. It returns whether a waiter remains that a
// process of the host keeps waiting. Preconditions: f.mu is held.
func (t *lockTable) grant(f *fileLocks, now bool, done *[]lockDone) (foreign bool) {
	for again := true; again; {
		again, foreign = false, false
		var refused *lockWaiter // the last one that the host refused in this pass: the same again would be too
		keep := f.waiters[:0]
		for _, w := range f.waiters {
			if !w.state.CompareAndSwap(waitQueued, waitTrying) {
				t.leave(f, w, now)
				continue
			}
			e, released := t.try(f, w, refused)
			again = again || released
			if e == vfs.Pending {
				if w.foreign {
					foreign, refused = true, w
				}
				if w.state.CompareAndSwap(waitTrying, waitQueued) {
					keep = append(keep, w)
					continue
				}
				e = vfs.EINTR
			}
			w.state.Store(waitDone)
			t.waits.remove(w)
			t.leave(f, w, now)
			*done = append(*done, lockDone{w.token, e})
		}
		clear(f.waiters[len(keep):])
		f.waiters = keep
	}
	return foreign
}

// leave takes a waiter that was answered out of the count; the caller takes it out of the queue.
// Preconditions: f.mu is held, and f pinned otherwise.
func (t *lockTable) leave(f *fileLocks, w *lockWaiter, now bool) {
	w.o.waiters--
	t.tidy(f, w.o, now)
	t.put(f)
}

// try is one attempt for a waiter: Pending where it fails. Preconditions: f.mu is held.
func (t *lockTable) try(f *fileLocks, w, refused *lockWaiter) (vfs.Errno, bool) {
	skip := refused != nil && refused.o.key.flock == w.o.key.flock && refused.want.start == w.want.start &&
		refused.want.end == w.want.end && (w.want.write || !refused.want.write)
	e, b, released := t.acquire(f, w.o, w.want, skip)
	switch {
	case e == vfs.OK:
		w.o.file = w.file
	case e == vfs.EAGAIN:
		w.foreign = b == nil
		if e = t.waits.reblock(w, b); e == vfs.OK {
			e = vfs.Pending
		}
	}
	return e, released
}
