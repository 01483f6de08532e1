//go:build linux

package passthrough

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// xattrPath prepares a call on an inode's attributes by its /proc/self/fd path, which is never followed further. Symlinks have
// none that a client could use: the path would lead to what cannot be told from the target.
func (fs *FS) xattrPath(op *vfs.Op, k vfs.Key, p *procPath) (n *inode, start int64, e vfs.Errno) {
	if fs.opts.NoXattr {
		return nil, 0, vfs.EOPNOTSUPP
	}
	n = fs.node(k)
	if n.typ == unix.S_IFLNK {
		return nil, 0, vfs.EOPNOTSUPP
	}
	if start, e = fs.begin(op, n); e != 0 {
		return nil, 0, e
	}
	fd, e := fs.hold(n)
	if e != 0 {
		return nil, 0, e
	}
	p.set(fd)
	return n, start, 0
}

// Getxattr reads an attribute.
func (fs *FS) Getxattr(op *vfs.Op, k vfs.Key, name vfs.Name, size int) (vfs.Payload, vfs.Errno) {
	var p procPath
	n, start, e := fs.xattrPath(op, k, &p)
	if e != 0 {
		return vfs.Payload{}, e
	}
	defer fs.changed(n, start)
	buf, at := xattrBuf(op, size)
	r, _, errno := unix.Syscall6(unix.SYS_GETXATTR, uintptr(unsafe.Pointer(&p)), uintptr(unsafe.Pointer(name.Ptr())), at, uintptr(size), 0, 0)
	return xattrResult(op, buf, size, int(r), vfs.Errno(errno))
}

// Listxattr lists the names.
func (fs *FS) Listxattr(op *vfs.Op, k vfs.Key, size int) (vfs.Payload, vfs.Errno) {
	if n := fs.node(k); n.typ == unix.S_IFLNK && !fs.opts.NoXattr {
		return op.Bytes(nil), 0
	}
	var p procPath
	n, start, e := fs.xattrPath(op, k, &p)
	if e != 0 {
		return vfs.Payload{}, e
	}
	defer fs.changed(n, start)
	buf, at := xattrBuf(op, size)
	r, _, errno := unix.Syscall(unix.SYS_LISTXATTR, uintptr(unsafe.Pointer(&p)), at, uintptr(size))
	return xattrResult(op, buf, size, int(r), vfs.Errno(errno))
}

// xattrBuf is the reply's memory for a value; none where only the size is asked.
func xattrBuf(op *vfs.Op, size int) ([]byte, uintptr) {
	if size == 0 {
		return nil, 0
	}
	buf := op.Reply(size)
	return buf, uintptr(unsafe.Pointer(&buf[0]))
}

func xattrResult(op *vfs.Op, buf []byte, size, n int, e vfs.Errno) (vfs.Payload, vfs.Errno) {
	switch {
	case e != 0:
		return vfs.Payload{}, e
	case size == 0:
		return op.Count(n), 0
	}
	return op.Bytes(buf[:n]), 0
}

// Setxattr sets an attribute.
func (fs *FS) Setxattr(op *vfs.Op, k vfs.Key, name vfs.Name, value []byte, in *abi.SetxattrIn) vfs.Errno {
	if e := fs.rofs(); e != 0 {
		return e
	}
	var p procPath
	n, start, e := fs.xattrPath(op, k, &p)
	if e == vfs.EOPNOTSUPP && !fs.opts.NoXattr {
		return vfs.EPERM // as on a local file system: symlinks have no user attributes
	}
	if e != 0 {
		return e
	}
	defer fs.changed(n, start)
	if in.SetxattrFlags&abi.SetxattrACLKillSgid != 0 {
		dropped, e := fs.creds.dropFsetid(op)
		if e != 0 {
			return e
		}
		defer fs.creds.restoreFsetid(op, dropped)
	}
	_, _, errno := unix.Syscall6(unix.SYS_SETXATTR, uintptr(unsafe.Pointer(&p)), uintptr(unsafe.Pointer(name.Ptr())),
		uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(len(value)), uintptr(in.Flags), 0)
	return vfs.Errno(errno)
}

// Removexattr removes an attribute.
func (fs *FS) Removexattr(op *vfs.Op, k vfs.Key, name vfs.Name) vfs.Errno {
	if e := fs.rofs(); e != 0 {
		return e
	}
	var p procPath
	n, start, e := fs.xattrPath(op, k, &p)
	if e != 0 {
		return e
	}
	defer fs.changed(n, start)
	_, _, errno := unix.Syscall(unix.SYS_REMOVEXATTR, uintptr(unsafe.Pointer(&p)), uintptr(unsafe.Pointer(name.Ptr())), 0)
	return vfs.Errno(errno)
}

var defaultACL = vfs.MakeName("system.posix_acl_default")

func hasDefaultACL(fd int) bool {
	var p procPath
	r, _, e := unix.Syscall6(unix.SYS_GETXATTR, uintptr(unsafe.Pointer(p.set(fd))), uintptr(unsafe.Pointer(defaultACL.Ptr())), 0, 0, 0, 0)
	return e == 0 && int(r) > 0
}

// setSecctx gives a new file the security contexts that the client's kernel sent along.
func setSecctx(fd int, ctx []byte) vfs.Errno {
	for len(ctx) > 0 {
		name, value, rest, ok := abi.SecctxNext(ctx)
		if !ok || len(name) == 0 || len(name) > vfs.NameMax {
			return vfs.EINVAL
		}
		var p procPath
		key := vfs.MakeName(string(name))
		_, _, e := unix.Syscall6(unix.SYS_SETXATTR, uintptr(unsafe.Pointer(p.set(fd))), uintptr(unsafe.Pointer(key.Ptr())),
			uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(len(value)), 0, 0)
		if e != 0 {
			return vfs.Errno(e)
		}
		ctx = rest
	}
	return 0
}
