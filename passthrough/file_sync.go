//go:build linux

package passthrough

import (
	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// again says whether a call that a signal has ended is to be made once more: signals of the Go runtime are not the
// client's wish.
func again(op *vfs.Op, e unix.Errno) bool { return e == unix.EINTR && !op.Interrupted() }

// Flush is one close(2) of a client: the owner's POSIX locks go, and the host reports what it could not write. Most host file
// systems have nothing to do then; those that have may wait.
func (fs *FS) Flush(op *vfs.Op, f vfs.Open, in *abi.FlushIn) vfs.Errno {
	x := fs.files.get(uint64(f.H))
	wrote := x != nil && x.flags&unix.O_ACCMODE != unix.O_RDONLY
	var start int64
	if wrote && op.Nonblock() {
		var ok bool
		if start, ok = x.Pace.Begin(); !ok {
			return vfs.WouldBlock
		}
	}
	e := fs.locks.flush(op, f.Node, ownerKey{conn: op.Conn(), id: in.LockOwner})
	if e == vfs.OK && wrote {
		e = closeOnce(int(x.FD))
		x.Pace.End(start)
	}
	return e
}

// closeOnce is what a close of one of fd's copies says.
func closeOnce(fd int) vfs.Errno {
	d, _, e := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	switch e {
	case 0:
	case unix.EMFILE, unix.ENFILE:
		return vfs.OK // what was not written is told by fsync
	default:
		return vfs.Errno(e)
	}
	_, _, e = unix.Syscall(unix.SYS_CLOSE, d, 0, 0)
	if e == unix.EINTR {
		return vfs.OK // the descriptor is gone all the same
	}
	return vfs.Errno(e)
}

// Fsync flushes a file to the disk; never on a loop.
func (fs *FS) Fsync(op *vfs.Op, f vfs.Open, datasync bool) vfs.Errno {
	if op.Nonblock() {
		return vfs.WouldBlock
	}
	x, e := fs.use(op, f, false)
	if e != 0 {
		return e
	}
	defer fs.unuse(f, x)
	nr := uintptr(unix.SYS_FSYNC)
	if datasync {
		nr = unix.SYS_FDATASYNC
	}
	for {
		if _, _, e := unix.Syscall(nr, uintptr(x.FD), 0, 0); !again(op, e) {
			return vfs.Errno(e)
		}
	}
}

// Fsyncdir is Fsync of a directory.
func (fs *FS) Fsyncdir(op *vfs.Op, f vfs.Open, datasync bool) vfs.Errno {
	return fs.Fsync(op, f, datasync)
}

// Syncfs writes back the whole host file system.
func (fs *FS) Syncfs(op *vfs.Op, k vfs.Key) vfs.Errno {
	if op.Nonblock() {
		return vfs.WouldBlock
	}
	fd, e := fs.reopen(fs.node(k), unix.O_RDONLY)
	if e != 0 {
		return e
	}
	defer unix.Close(fd)
	_, _, errno := unix.Syscall(unix.SYS_SYNCFS, uintptr(fd), 0, 0)
	return vfs.Errno(errno)
}
