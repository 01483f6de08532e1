//go:build linux

package passthrough

import (
	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// init makes the table ready. Files are opened through fs.
func (t *lockTable) init(fs *FS) {
	t.max = int64(fs.opts.MaxLocks)
	t.maxOwners = min(t.max, int64(max(fs.lockFDs, 64))) // each has a descriptor
	t.open = func(k vfs.Key, flags int) (int, vfs.Errno) {
		n := fs.node(k)
		if n.typ != unix.S_IFREG {
			return -1, vfs.EBADF
		}
		if fs.crowded(0) { // the owner is counted already
			return -1, vfs.ENFILE
		}
		return fs.reopen(n, flags)
	}
}

// request makes a lockReq of a client's. A POSIX lock wants a file that was opened for what it locks.
func (fs *FS) request(op *vfs.Op, f vfs.Open, lk *vfs.Lock, r *lockReq) vfs.Errno {
	n := fs.node(f.Node)
	*r = lockReq{
		key: f.Node, pace: &fs.mounts.get(n.mnt).pace, file: f.H, fd: -1, access: unix.O_RDWR,
		owner:  ownerKey{op.Conn(), lk.Owner, lk.Flock},
		want:   lockRange{end: lockEOF, write: lk.Type == unix.F_WRLCK, pid: lk.PID},
		unlock: lk.Type == unix.F_UNLCK,
	}
	if !lk.Flock {
		if lk.Start > lk.End || lk.Start > lockEOF {
			return vfs.EINVAL
		}
		r.want.start, r.want.end = int64(lk.Start), int64(min(lk.End, lockEOF))
	}
	switch lk.Type {
	case unix.F_RDLCK, unix.F_WRLCK, unix.F_UNLCK:
	default:
		return vfs.EINVAL
	}
	if f.H == 0 {
		return vfs.OK
	}
	x := fs.files.get(uint64(f.H))
	r.fd, r.access = int(x.FD), x.flags&unix.O_ACCMODE
	return vfs.OK
}

// allowed says whether the client's file was opened for such a lock.
func (r *lockReq) allowed() bool {
	if r.owner.flock || r.unlock {
		return true
	}
	return r.access == unix.O_RDWR || r.want.write == (r.access == unix.O_WRONLY)
}

// Setlk locks and unlocks for fcntl(2) and flock(2). With wait it may be Pending.
func (fs *FS) Setlk(op *vfs.Op, f vfs.Open, lk *vfs.Lock, wait bool) vfs.Errno {
	var r lockReq
	if e := fs.request(op, f, lk, &r); e != vfs.OK {
		return e
	}
	if !r.allowed() {
		return vfs.EBADF
	}
	r.wait = wait
	return fs.locks.set(op, &r)
}

// Getlk finds a lock in lk's way: a client's, or one of the host's.
func (fs *FS) Getlk(op *vfs.Op, f vfs.Open, lk *vfs.Lock) vfs.Errno {
	var r lockReq
	if e := fs.request(op, f, lk, &r); e != vfs.OK {
		return e
	}
	if r.unlock || lk.Flock {
		return vfs.EINVAL
	}
	got, ok, e := fs.locks.query(op, &r)
	if e != vfs.OK {
		return e
	}
	if !ok {
		lk.Type = unix.F_UNLCK
		return vfs.OK
	}
	lk.Type = unix.F_RDLCK
	if got.write {
		lk.Type = unix.F_WRLCK
	}
	lk.Start, lk.End, lk.PID = uint64(got.start), uint64(got.end), got.pid
	return vfs.OK
}

// Cancel answers a waiting SETLKW with EINTR.
func (fs *FS) Cancel(t vfs.Token) { fs.locks.cancel(t) }

// Unflock drops the owner's flock before its RELEASE is acknowledged.
func (fs *FS) Unflock(f vfs.Open, owner uint64) {
	x := fs.files.get(uint64(f.H))
	if x == nil {
		return
	}
	fs.locks.post(f.Node, lockPost{what: postOwner, owner: ownerKey{x.conn, owner, true}})
}
