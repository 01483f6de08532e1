//go:build linux

package passthrough

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// change is the frame of a call that changes directory dir: read-only share, pace, the directory's descriptor. changed ends it.
func (fs *FS) change(op *vfs.Op, dir vfs.Key) (d *inode, fd int, start int64, e vfs.Errno) {
	if e := fs.rofs(); e != 0 {
		return nil, -1, 0, e
	}
	d = fs.node(dir)
	if start, e = fs.begin(op, d); e != 0 {
		return nil, -1, 0, e
	}
	if fd, e = fs.hold(d); e != 0 {
		return nil, -1, 0, e
	}
	return d, fd, start, 0
}

func (fs *FS) changed(d *inode, start int64) {
	fs.unhold(d)
	fs.end(d, start)
}

// created finds what a call has just made and gives it the security context that came along; what cannot have its context does not
// stay. rm are unlinkat's flags. It may wait, but not for what the call itself has not waited for.
func (fs *FS) created(op *vfs.Op, d *inode, dfd int, name vfs.Name, rm uintptr, out *vfs.Entry) vfs.Errno {
	ctx := op.Secctx()
	if len(ctx) == 0 {
		return fs.lookupAt(d, dfd, name, false, out)
	}
	fd, e := fs.openPath(dfd, name)
	if e != 0 {
		return e
	}
	if e := setSecctx(fd, ctx); e != 0 {
		unix.Close(fd)
		unlinkat(dfd, name, rm)
		return e
	}
	return fs.enter(fd, d.mnt, out)
}

func unlinkat(dfd int, name vfs.Name, flags uintptr) vfs.Errno {
	_, _, e := unix.Syscall(unix.SYS_UNLINKAT, uintptr(dfd), uintptr(unsafe.Pointer(name.Ptr())), flags)
	return vfs.Errno(e)
}

// mode is the mode of a new file: the umask counts where the client's kernel leaves it to us, and not below a directory with a
// default ACL.
func (fs *FS) mode(op *vfs.Op, dfd int, mode, umask uint32) uint32 {
	if op.Conn().Negotiated().Flags&abi.InitDontMask == 0 || hasDefaultACL(dfd) {
		return mode
	}
	return mode &^ (umask & 0o777)
}

// Mkdir makes a directory as the caller.
func (fs *FS) Mkdir(op *vfs.Op, dir vfs.Key, name vfs.Name, in *abi.MkdirIn, out *vfs.Entry) vfs.Errno {
	d, dfd, start, e := fs.change(op, dir)
	if e != 0 {
		return e
	}
	defer fs.changed(d, start)
	mode := fs.mode(op, dfd, in.Mode, in.Umask)
	switched, e := fs.creds.as(op)
	if e != 0 {
		return e
	}
	_, _, errno := unix.Syscall(unix.SYS_MKDIRAT, uintptr(dfd), uintptr(unsafe.Pointer(name.Ptr())), uintptr(mode&0o7777))
	if switched {
		fs.creds.restore(op)
	}
	if errno != 0 {
		return vfs.Errno(errno)
	}
	return fs.created(op, d, dfd, name, unix.AT_REMOVEDIR, out)
}

// Mknod makes a file, device, fifo or socket as the caller.
func (fs *FS) Mknod(op *vfs.Op, dir vfs.Key, name vfs.Name, in *abi.MknodIn, out *vfs.Entry) vfs.Errno {
	switch in.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK, 0:
	default:
		return vfs.EINVAL
	}
	d, dfd, start, e := fs.change(op, dir)
	if e != 0 {
		return e
	}
	defer fs.changed(d, start)
	major, minor := decodeDev(in.Rdev)
	mode := fs.mode(op, dfd, in.Mode, in.Umask)
	switched, e := fs.creds.as(op)
	if e != 0 {
		return e
	}
	_, _, errno := unix.Syscall6(unix.SYS_MKNODAT, uintptr(dfd), uintptr(unsafe.Pointer(name.Ptr())), uintptr(mode),
		uintptr(unix.Mkdev(major, minor)), 0, 0)
	if switched {
		fs.creds.restore(op)
	}
	if errno != 0 {
		return vfs.Errno(errno)
	}
	return fs.created(op, d, dfd, name, 0, out)
}

// Symlink makes a symlink as the caller.
func (fs *FS) Symlink(op *vfs.Op, dir vfs.Key, name, target vfs.Name, out *vfs.Entry) vfs.Errno {
	d, dfd, start, e := fs.change(op, dir)
	if e != 0 {
		return e
	}
	defer fs.changed(d, start)
	switched, e := fs.creds.as(op)
	if e != 0 {
		return e
	}
	_, _, errno := unix.Syscall(unix.SYS_SYMLINKAT, uintptr(unsafe.Pointer(target.Ptr())), uintptr(dfd), uintptr(unsafe.Pointer(name.Ptr())))
	if switched {
		fs.creds.restore(op)
	}
	if errno != 0 {
		return vfs.Errno(errno)
	}
	return fs.created(op, d, dfd, name, 0, out)
}

// Readlink reads a symlink's target.
func (fs *FS) Readlink(op *vfs.Op, k vfs.Key) (vfs.Payload, vfs.Errno) {
	n := fs.node(k)
	start, e := fs.begin(op, n)
	if e != 0 {
		return vfs.Payload{}, e
	}
	fd, e := fs.hold(n)
	if e != 0 {
		return vfs.Payload{}, e
	}
	buf := op.Reply(vfs.TargetMax + 1)
	r, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(fd), uintptr(unsafe.Pointer(&emptyPath)), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0, 0)
	fs.unhold(n)
	fs.end(n, start)
	if errno != 0 {
		return vfs.Payload{}, vfs.Errno(errno)
	}
	return op.Bytes(buf[:r]), 0
}

// Unlink removes a name that is no directory.
func (fs *FS) Unlink(op *vfs.Op, dir vfs.Key, name vfs.Name) vfs.Errno {
	return fs.remove(op, dir, name, 0)
}

// Rmdir removes an empty directory.
func (fs *FS) Rmdir(op *vfs.Op, dir vfs.Key, name vfs.Name) vfs.Errno {
	return fs.remove(op, dir, name, unix.AT_REMOVEDIR)
}

func (fs *FS) remove(op *vfs.Op, dir vfs.Key, name vfs.Name, flags uintptr) vfs.Errno {
	d, dfd, start, e := fs.change(op, dir)
	if e != 0 {
		return e
	}
	v := fs.spare(d, dfd, name)
	e = unlinkat(dfd, name, flags)
	fs.spared(op, v)
	fs.changed(d, start)
	return e
}

// Rename moves a name; flags are RENAME_NOREPLACE, EXCHANGE, WHITEOUT. Another host mount is not even touched: it may be a dead server's.
func (fs *FS) Rename(op *vfs.Op, d1 vfs.Key, n1 vfs.Name, d2 vfs.Key, n2 vfs.Name, flags uint32) vfs.Errno {
	d, dfd, start, e := fs.change(op, d1)
	if e != 0 {
		return e
	}
	defer fs.changed(d, start)
	t := fs.node(d2)
	if t.mnt != d.mnt {
		return vfs.EXDEV
	}
	tfd, e := fs.hold(t)
	if e != 0 {
		return e
	}
	v := fs.spare(t, tfd, n2)
	_, _, errno := unix.Syscall6(unix.SYS_RENAMEAT2, uintptr(dfd), uintptr(unsafe.Pointer(n1.Ptr())), uintptr(tfd),
		uintptr(unsafe.Pointer(n2.Ptr())), uintptr(flags), 0)
	fs.spared(op, v)
	fs.unhold(t)
	return vfs.Errno(errno)
}

// Link makes another name of a node.
func (fs *FS) Link(op *vfs.Op, k, dir vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	d, dfd, start, e := fs.change(op, dir)
	if e != 0 {
		return e
	}
	defer fs.changed(d, start)
	n := fs.node(k)
	if n.mnt != d.mnt {
		return vfs.EXDEV
	}
	fd, e := fs.hold(n)
	if e != 0 {
		return e
	}
	defer fs.unhold(n)
	_, _, errno := unix.Syscall6(unix.SYS_LINKAT, uintptr(fd), uintptr(unsafe.Pointer(&emptyPath)), uintptr(dfd),
		uintptr(unsafe.Pointer(name.Ptr())), unix.AT_EMPTY_PATH, 0)
	if errno == unix.ENOENT { // no CAP_DAC_READ_SEARCH, or an O_TMPFILE, which only this way can name
		var p procPath
		at := unix.AT_FDCWD
		_, _, errno = unix.Syscall6(unix.SYS_LINKAT, uintptr(at), uintptr(unsafe.Pointer(p.set(fd))), uintptr(dfd),
			uintptr(unsafe.Pointer(name.Ptr())), unix.AT_SYMLINK_FOLLOW, 0)
	}
	if errno != 0 {
		return vfs.Errno(errno)
	}
	var st unix.Statx_t
	if e := statFD(fd, &st); e != 0 {
		return e
	}
	fs.Retain(k)
	fs.fillEntry(out, k, n, &st)
	return 0
}

// Access is only asked where the client's kernel does not check by itself.
func (fs *FS) Access(op *vfs.Op, k vfs.Key, mask uint32) vfs.Errno {
	n := fs.node(k)
	start, e := fs.begin(op, n)
	if e != 0 {
		return e
	}
	defer fs.end(n, start)
	if fs.opts.ReadOnly && mask&unix.W_OK != 0 {
		return vfs.EROFS
	}
	fd, e := fs.hold(n)
	if e != 0 {
		return e
	}
	defer fs.unhold(n)
	switched, e := fs.creds.as(op)
	if e != 0 {
		return e
	}
	_, _, errno := unix.Syscall6(unix.SYS_FACCESSAT2, uintptr(fd), uintptr(unsafe.Pointer(&emptyPath)), uintptr(mask&7),
		unix.AT_EMPTY_PATH|unix.AT_EACCESS, 0, 0)
	if switched {
		fs.creds.restore(op)
	}
	return vfs.Errno(errno)
}

// Statfs reports the host file system.
func (fs *FS) Statfs(op *vfs.Op, k vfs.Key, out *abi.Kstatfs) vfs.Errno {
	n := fs.node(k)
	start, e := fs.begin(op, n)
	if e != 0 {
		return e
	}
	defer fs.end(n, start)
	fd, e := fs.hold(n)
	if e != 0 {
		return e
	}
	defer fs.unhold(n)
	var st unix.Statfs_t
	if _, _, errno := unix.Syscall(unix.SYS_FSTATFS, uintptr(fd), uintptr(unsafe.Pointer(&st)), 0); errno != 0 {
		return vfs.Errno(errno)
	}
	*out = abi.Kstatfs{
		Blocks: st.Blocks, Bfree: st.Bfree, Bavail: st.Bavail, Files: st.Files, Ffree: st.Ffree,
		Bsize: uint32(st.Bsize), Namelen: uint32(st.Namelen), Frsize: uint32(st.Frsize),
	}
	return 0
}
