//go:build linux

package passthrough

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// Create makes and opens a file as the caller.
func (fs *FS) Create(op *vfs.Op, dir vfs.Key, name vfs.Name, in *abi.CreateIn, e *vfs.Entry, o *vfs.Opened) vfs.Errno {
	return fs.create(op, dir, name, in, fs.openFlags(op, in.Flags)|unix.O_CREAT|int(in.Flags)&(unix.O_EXCL|unix.O_TRUNC), e, o)
}

var dot = vfs.MakeName(".")

// Tmpfile makes and opens a file without a name as the caller.
func (fs *FS) Tmpfile(op *vfs.Op, dir vfs.Key, in *abi.CreateIn, e *vfs.Entry, o *vfs.Opened) vfs.Errno {
	return fs.create(op, dir, dot, in, fs.openFlags(op, in.Flags)|unix.O_TMPFILE|int(in.Flags)&unix.O_EXCL, e, o)
}

func (fs *FS) create(op *vfs.Op, dir vfs.Key, name vfs.Name, in *abi.CreateIn, flags int, e *vfs.Entry, o *vfs.Opened) vfs.Errno {
	d, dfd, start, errno := fs.change(op, dir)
	if errno != 0 {
		return errno
	}
	defer fs.changed(d, start)
	mode := fs.mode(op, dfd, in.Mode, in.Umask) & 0o7777
	kill := in.OpenFlags&abi.OpenKillSuidgid != 0
	fd, errno := fs.createAs(op, dfd, name, flags, mode, kill)
	if (errno == vfs.EMFILE || errno == vfs.ENFILE) && fs.evict(64) > 0 {
		fd, errno = fs.createAs(op, dfd, name, flags, mode, kill)
	}
	if errno != 0 {
		return full(errno)
	}
	_, _, _ = unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFL, uintptr(flags&^(unix.O_CREAT|unix.O_EXCL|unix.O_TRUNC|unix.O_TMPFILE)))
	if errno := setSecctx(fd, op.Secctx()); errno != 0 {
		unix.Close(fd)
		return errno
	}
	path, errno := openProc(fd, unix.O_PATH)
	if errno == 0 {
		errno = fs.enter(path, e)
	}
	if errno != 0 {
		unix.Close(fd)
		return full(errno)
	}
	n := fs.node(e.Key)
	if n.typ != unix.S_IFREG { // another one's device or fifo under this name: it is not opened
		unix.Close(fd)
		fs.Forget(e.Key, 1)
		return vfs.ENXIO
	}
	o.H, errno = fs.addFile(op, fd, n, flags)
	if errno != 0 {
		fs.Forget(e.Key, 1)
		return errno
	}
	o.Flags = fs.fopen(op, n, -1)
	return 0
}

// createAs is openat(2) with the caller's ids. O_NONBLOCK: a fifo that somebody else made under this name must not stop the thread.
func (fs *FS) createAs(op *vfs.Op, dfd int, name vfs.Name, flags int, mode uint32, kill bool) (int, vfs.Errno) {
	if kill {
		dropped, e := fs.creds.dropFsetid(op)
		if e != 0 {
			return -1, e
		}
		defer fs.creds.restoreFsetid(op, dropped)
	}
	switched, e := fs.creds.as(op)
	if e != 0 {
		return -1, e
	}
	fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dfd), uintptr(unsafe.Pointer(name.Ptr())),
		uintptr(flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK), uintptr(mode), 0, 0)
	if switched {
		fs.creds.restore(op)
	}
	return int(fd), vfs.Errno(errno)
}
