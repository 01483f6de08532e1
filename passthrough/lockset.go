//go:build linux

package passthrough

import (
	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// lockReq is a request for a lock, or for its end.
type lockReq struct {
	key    vfs.Key
	pace   *vfs.Pace
	file   vfs.Handle
	fd     int // of the client's open file, for questions only; -1: none
	access int // O_RDONLY, O_WRONLY or O_RDWR: what the client's file was opened for
	owner  ownerKey
	want   lockRange
	unlock bool
	wait   bool
}

var wholeFile = lockRange{end: lockEOF}

// enter takes the locks of a file, and says whether calls to the host may be made; on a loop nothing is waited for.
func (f *fileLocks) enter(op *vfs.Op) (start int64, e vfs.Errno) {
	if !op.Nonblock() {
		f.mu.Lock()
		return 0, vfs.OK
	}
	start, ok := f.pace.Begin()
	if !ok || !f.mu.TryLock() {
		return 0, vfs.WouldBlock
	}
	return start, vfs.OK
}

// unlock frees the locks of a file, does what others asked for meanwhile and sends the answers.
func (t *lockTable) unlock(f *fileLocks, done []lockDone) {
	f.mu.Unlock()
	t.serve(f)
	for _, d := range done {
		d.token.Complete(d.e, 0)
	}
}

// set answers SETLK and SETLKW.
func (t *lockTable) set(op *vfs.Op, r *lockReq) vfs.Errno {
	var f *fileLocks
	if r.unlock {
		if f = t.find(r.key); f == nil {
			return vfs.OK
		}
	} else {
		f = t.get(r.key, r.pace)
	}
	defer t.put(f)
	start, e := f.enter(op)
	if e != vfs.OK {
		return e
	}
	var done []lockDone
	var released bool
	t.closeDown(f)
	if r.unlock {
		e, released = t.releaseOwner(f, r.owner, r.want)
	} else {
		e, released = t.lock(op, f, r)
	}
	if released && t.grant(f, true, &done) {
		t.retry.schedule(t, f, retryFirst)
	}
	f.pace.End(start)
	t.unlock(f, done)
	return e
}

// lock takes a lock or queues for it. Preconditions: f.mu is held.
func (t *lockTable) lock(op *vfs.Op, f *fileLocks, r *lockReq) (e vfs.Errno, released bool) {
	if t.ranges.Load()+2 > t.max {
		return vfs.ENOLCK, false
	}
	o := t.owner(f, r.owner)
	if o == nil {
		return vfs.ENOLCK, false
	}
	defer t.tidy(f, o, true)
	if b, _ := f.conflict(&o.key, &r.want); b == nil || r.wait {
		if e := t.prepare(f, o, r.want.write, r.access); e != vfs.OK {
			return e, false
		}
	}
	e, b, released := t.acquire(f, o, r.want, false)
	switch {
	case e == vfs.OK:
		o.file = r.file
	case e == vfs.EAGAIN && r.wait:
		e = t.enqueue(op, f, o, r.file, r.want, b)
	}
	return e, released
}

// acquire takes a lock that nobody excludes. EAGAIN: b does, or a process of the host where b is nil. skip says that the host is
// known to refuse. As on the host, a flock that is to be of the other kind goes first, and is lost if that fails.
// Preconditions: f.mu is held.
func (t *lockTable) acquire(f *fileLocks, o *lockOwner, want lockRange, skip bool) (e vfs.Errno, b *lockOwner, released bool) {
	if o.set.covered(&want) {
		return vfs.OK, nil, false
	}
	convert := o.key.flock && len(o.set) > 0
	if b, _ = f.conflict(&o.key, &want); b != nil {
		if convert {
			_, released = t.release(f, o, wholeFile)
		}
		return vfs.EAGAIN, b, released
	}
	if skip && !convert {
		return vfs.EAGAIN, nil, false
	}
	e = hostLock(o.fd, o.key.flock, &want)
	switch {
	case e == vfs.OK:
		released = t.apply(f, o, want, false)
	case hostForeign(e):
		e = vfs.EAGAIN
		if convert { // the host has let go of it too
			released = t.apply(f, o, wholeFile, true)
		}
	}
	return e, nil, released
}

// release gives a range of o's back. Preconditions: f.mu is held.
func (t *lockTable) release(f *fileLocks, o *lockOwner, r lockRange) (e vfs.Errno, released bool) {
	if len(o.set) == 0 {
		return vfs.OK, false
	}
	if len(o.set) == 1 && t.ranges.Load()+1 > t.max && r.start > o.set[0].start && r.end < o.set[0].end {
		return vfs.ENOLCK, false
	}
	if e = hostUnlock(o.fd, o.key.flock, &r); e != vfs.OK {
		return e, false
	}
	return vfs.OK, t.apply(f, o, r, true)
}

// releaseOwner is release for the owner of a key, who may have nothing left then.
func (t *lockTable) releaseOwner(f *fileLocks, k ownerKey, r lockRange) (e vfs.Errno, released bool) {
	o := f.owners[k]
	if o == nil {
		return vfs.OK, false
	}
	e, released = t.release(f, o, r)
	t.tidy(f, o, true)
	return e, released
}

// query answers GETLK: the first lock in the way, ours or the host's. ok says whether there is one.
func (t *lockTable) query(op *vfs.Op, r *lockReq) (got lockRange, ok bool, e vfs.Errno) {
	fd := r.fd
	start, run := int64(0), true
	if f := t.find(r.key); f != nil {
		defer t.put(f)
		if start, e = f.enter(op); e != vfs.OK {
			return lockRange{}, false, e
		}
		defer t.unlock(f, nil)
		if _, c := f.conflict(&r.owner, &r.want); c != nil {
			f.pace.End(start)
			return *c, true, vfs.OK
		}
		if o := f.owners[r.owner]; o != nil && o.fd >= 0 {
			fd = o.fd // what it holds itself is not in its way
		}
	} else if op.Nonblock() {
		if start, run = r.pace.Begin(); !run {
			return lockRange{}, false, vfs.WouldBlock
		}
	}
	if fd < 0 {
		if fd, e = t.open(r.key, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC); e != vfs.OK {
			return lockRange{}, false, e
		}
		defer unix.Close(fd)
	}
	got, ok, e = hostConflict(fd, &r.want)
	r.pace.End(start)
	return got, ok, e
}

// flush drops what the owner has locked of a file, as each close of a process does.
func (t *lockTable) flush(op *vfs.Op, k vfs.Key, owner ownerKey) vfs.Errno {
	f := t.find(k)
	if f == nil {
		return vfs.OK
	}
	defer t.put(f)
	start, e := f.enter(op)
	if e != vfs.OK {
		return e
	}
	var done []lockDone
	e, released := t.releaseOwner(f, owner, wholeFile)
	if released && t.grant(f, true, &done) {
		t.retry.schedule(t, f, retryFirst)
	}
	f.pace.End(start)
	t.unlock(f, done)
	return e
}

// closeDown closes what a loop was not allowed to close. Preconditions: f.mu is held.
func (t *lockTable) closeDown(f *fileLocks) {
	for _, fd := range f.closing {
		unix.Close(fd)
	}
	f.closing = f.closing[:0]
}
