//go:build linux

package passthrough

import (
	"github.com/fastfsd/fastfsd/vfs"

	"golang.org/x/sys/unix"
)

// The host's side of a lock: an open file description for each owner of locks of a file, so that the host sees our
// clients as so many independent processes. No call here waits for a lock.

// hostForeign says whether a host's answer means that somebody else is in the way.
func hostForeign(e vfs.Errno) bool { return e == vfs.EAGAIN || e == vfs.EACCES }

// hostLock takes r on the owner's descriptor, or fails at once.
func hostLock(fd int, flock bool, r *lockRange) vfs.Errno {
	if flock {
		how := unix.LOCK_SH
		if r.write {
			how = unix.LOCK_EX
		}
		return hostErrno(unix.Flock(fd, how|unix.LOCK_NB))
	}
	typ := int16(unix.F_RDLCK)
	if r.write {
		typ = unix.F_WRLCK
	}
	return hostErrno(hostOFD(fd, unix.F_OFD_SETLK, typ, r))
}

// hostUnlock gives r back.
func hostUnlock(fd int, flock bool, r *lockRange) vfs.Errno {
	if flock {
		return hostErrno(unix.Flock(fd, unix.LOCK_UN))
	}
	return hostErrno(hostOFD(fd, unix.F_OFD_SETLK, unix.F_UNLCK, r))
}

// hostConflict asks for a lock of the host's that is in r's way; ok says whether there is one.
func hostConflict(fd int, r *lockRange) (got lockRange, ok bool, e vfs.Errno) {
	lk := hostRange(unix.F_RDLCK, r)
	if r.write {
		lk.Type = unix.F_WRLCK
	}
	if e = hostErrno(unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &lk)); e != vfs.OK || lk.Type == unix.F_UNLCK {
		return lockRange{}, false, e
	}
	got = lockRange{start: lk.Start, end: lockEOF, write: lk.Type == unix.F_WRLCK}
	if lk.Len > 0 {
		got.end = lk.Start + lk.Len - 1
	}
	if lk.Pid > 0 { // a lock of an open file description has no process
		got.pid = uint32(lk.Pid)
	}
	return got, true, vfs.OK
}

func hostOFD(fd, cmd int, typ int16, r *lockRange) error {
	lk := hostRange(typ, r)
	return unix.FcntlFlock(uintptr(fd), cmd, &lk)
}

func hostRange(typ int16, r *lockRange) unix.Flock_t {
	lk := unix.Flock_t{Type: typ, Start: r.start}
	if r.end < lockEOF {
		lk.Len = r.end - r.start + 1
	}
	return lk
}

func hostErrno(err error) vfs.Errno {
	if err == nil {
		return vfs.OK
	}
	if e, ok := err.(unix.Errno); ok { // what x/sys returns, never wrapped
		return vfs.Errno(e)
	}
	return vfs.EIO
}
