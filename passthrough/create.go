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
	d, dfd, start, errno := fs.change(op, dir)
	if errno != 0 {
		return errno
	}
	errno = fs.create(op, d, dfd, name, in, e, o)
	fs.changed(d, start)
	return errno
}

// create makes a file that must not be there yet: whatever the name stands for is never opened by it, which may be another one's
// device, fifo or symlink. One that appeared behind the client's back is opened as such.
func (fs *FS) create(op *vfs.Op, d *inode, dfd int, name vfs.Name, in *abi.CreateIn, e *vfs.Entry, o *vfs.Opened) vfs.Errno {
	if fs.crowded(1) {
		return vfs.ENFILE
	}
	flags := fs.openFlags(op, in.Flags)
	for range createTries {
		fd, errno := fs.createAs(op, dfd, name, flags|unix.O_CREAT|unix.O_EXCL, in)
		if errno == 0 {
			if errno = setSecctx(fd, op.Secctx()); errno != 0 {
				unlinkat(dfd, name, 0)
				unix.Close(fd)
				return errno
			}
			return fs.made(op, d, fd, flags, e, o)
		}
		if errno != vfs.EEXIST || in.Flags&unix.O_EXCL != 0 {
			return errno
		}
		if errno = fs.openExisting(op, d, dfd, name, in, e, o); errno != vfs.ENOENT {
			return errno
		}
	}
	return vfs.ESTALE
}

// createTries is how often a name may come and go during one CREATE.
const createTries = 16

// made hands out a file that was just made.
func (fs *FS) made(op *vfs.Op, d *inode, fd, flags int, e *vfs.Entry, o *vfs.Opened) vfs.Errno {
	if errno := fs.enterOpen(fd, d.mnt, e); errno != 0 {
		unix.Close(fd)
		return errno
	}
	n := fs.node(e.Key)
	var errno vfs.Errno
	if o.H, errno = fs.addFile(op, fd, n, flags); errno != 0 {
		fs.Forget(e.Key, 1)
		return errno
	}
	o.Flags = fs.fopen(op, n, -1)
	return 0
}

// openExisting is CREATE of a name that the client did not know. Its kernel has not checked the caller's rights to the file, so
// the host does; whoever fails, and what is no regular file, is sent to look the name up again: ESTALE has the kernel do that.
func (fs *FS) openExisting(op *vfs.Op, d *inode, dfd int, name vfs.Name, in *abi.CreateIn, e *vfs.Entry, o *vfs.Opened) vfs.Errno {
	cut := int(in.Flags) & unix.O_TRUNC
	if cut != 0 && fs.opts.SealSize {
		return vfs.EPERM
	}
	if cut != 0 && op.Nonblock() {
		return vfs.WouldBlock
	}
	if errno := fs.lookupAt(d, dfd, name, op.Nonblock(), e); errno != 0 {
		return errno
	}
	n := fs.node(e.Key)
	flags := fs.openFlags(op, in.Flags)
	fd, errno := -1, vfs.ESTALE
	if n.typ == unix.S_IFREG {
		if fd, errno = fs.openAs(op, n, flags|cut, in); errno == vfs.ESTALE {
			errno = vfs.ENOENT // it has gone since it was looked up: the name is free again
		}
	}
	if errno == vfs.EACCES || errno == vfs.EPERM {
		errno = vfs.ESTALE
	}
	if errno != 0 {
		fs.Forget(e.Key, 1)
		return errno
	}
	if o.H, errno = fs.addFile(op, fd, n, flags); errno != 0 {
		fs.Forget(e.Key, 1)
		return errno
	}
	o.Flags = fs.fopen(op, n, -1)
	return 0
}

// openAs opens a regular file with the caller's ids.
func (fs *FS) openAs(op *vfs.Op, n *inode, flags int, in *abi.CreateIn) (int, vfs.Errno) {
	switched, e := fs.creds.as(op)
	if e != 0 {
		return -1, e
	}
	fd, e := fs.openFile(op, n, flags, &abi.OpenIn{Flags: in.Flags, OpenFlags: in.OpenFlags})
	if switched {
		fs.creds.restore(op)
	}
	return fd, e
}

var dot = vfs.MakeName(".")

// Tmpfile makes and opens a file without a name as the caller.
func (fs *FS) Tmpfile(op *vfs.Op, dir vfs.Key, in *abi.CreateIn, e *vfs.Entry, o *vfs.Opened) vfs.Errno {
	d, dfd, start, errno := fs.change(op, dir)
	if errno != 0 {
		return errno
	}
	defer fs.changed(d, start)
	if fs.crowded(1) {
		return vfs.ENFILE
	}
	flags := fs.openFlags(op, in.Flags)
	fd, errno := fs.createAs(op, dfd, dot, flags|unix.O_TMPFILE|int(in.Flags)&unix.O_EXCL, in)
	if errno != 0 {
		return errno
	}
	if errno = setSecctx(fd, op.Secctx()); errno != 0 {
		unix.Close(fd)
		return errno
	}
	if errno = fs.made(op, d, fd, flags, e, o); errno != 0 || !noOpen(op) {
		return errno
	}
	if errno = fs.keep(fs.node(e.Key)); errno != 0 {
		fs.Release(vfs.Open{Node: e.Key, H: o.H}, 0, 0)
		fs.Forget(e.Key, 1)
	}
	return errno
}

// createAs is openat(2) of a new file with the caller's ids.
func (fs *FS) createAs(op *vfs.Op, dfd int, name vfs.Name, flags int, in *abi.CreateIn) (int, vfs.Errno) {
	mode := fs.mode(op, dfd, in.Mode, in.Umask) & 0o7777
	for try := 0; ; try++ {
		switched, e := fs.creds.as(op)
		if e != 0 {
			return -1, e
		}
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dfd), uintptr(unsafe.Pointer(name.Ptr())),
			uintptr(flags|unix.O_NOFOLLOW|unix.O_CLOEXEC), uintptr(mode), 0, 0)
		if switched {
			fs.creds.restore(op)
		}
		if (errno == unix.EMFILE || errno == unix.ENFILE) && try == 0 && fs.evict(evictMax) > 0 {
			continue
		}
		return int(fd), full(vfs.Errno(errno))
	}
}
