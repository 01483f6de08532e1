//go:build linux

package passthrough

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// file is an open file or directory: vfs counts the users of its descriptor, so that an extent outlives a RELEASE.
type file struct {
	vfs.File
	fs    *FS
	key   uint64 // its own number in FS.files
	flags int    // as it was opened
	conn  *vfs.Conn
	dir   sync.Mutex
	buf   *dirBuf // directories; guarded by dir
}

// CloseFile is the last Put: nobody uses the descriptor any more.
func (f *file) CloseFile(*vfs.File) {
	unix.Close(int(f.FD))
	f.FD = -1
	if f.buf != nil {
		f.fs.bufs.Put(f.buf)
		f.buf = nil
	}
	f.fs.open.Add(-1)
	f.fs.files.put(f.key)
}

// addFile makes an open file of fd, which it takes over.
func (fs *FS) addFile(op *vfs.Op, fd int, n *inode, flags int) (vfs.Handle, vfs.Errno) {
	if fs.open.Add(1) > int64(fs.maxOpen) { // some descriptors stay for those who only look
		fs.open.Add(-1)
		unix.Close(fd)
		return 0, vfs.ENFILE
	}
	k, f := fs.files.alloc()
	if f == nil {
		fs.open.Add(-1)
		unix.Close(fd)
		return 0, vfs.ENFILE
	}
	m := fs.mounts.get(n.mnt)
	f.fs, f.key, f.flags, f.conn = fs, k, flags, op.Conn()
	f.Init(fd)
	f.Closer, f.Pace, f.Nowait, f.Direct = f, &m.pace, m.nowait, flags&unix.O_DIRECT != 0
	return vfs.Handle(k), 0
}

// openFlags are the host's open flags for a client's, without those that make, cut or choose a file.
func (fs *FS) openFlags(op *vfs.Op, flags uint32) int {
	f := int(flags) & (unix.O_ACCMODE | unix.O_APPEND | unix.O_DSYNC | unix.O_SYNC | unix.O_DIRECT | unix.O_NOATIME | unix.O_LARGEFILE)
	if fs.opts.NoDirectIO {
		f &^= unix.O_DIRECT
	}
	if op.Conn().Negotiated().Flags&abi.InitWritebackCache != 0 {
		// The client's kernel reads what it overwrites in part, and it appends by itself.
		f &^= unix.O_APPEND
		if f&unix.O_ACCMODE == unix.O_WRONLY {
			f = f&^unix.O_ACCMODE | unix.O_RDWR
		}
	}
	return f
}

// fopen is what the cache policy says of an open file.
func (fs *FS) fopen(op *vfs.Op, n *inode, flags uint32) uint32 {
	out := uint32(abi.FopenParallelDirectWrites)
	switch fs.opts.Cache {
	case CacheNever, CacheMetadata:
		out |= abi.FopenDirectIO
	case CacheAlways:
		out |= abi.FopenKeepCache
	}
	return out
}

// Open opens a regular file.
func (fs *FS) Open(op *vfs.Op, k vfs.Key, in *abi.OpenIn, out *vfs.Opened) vfs.Errno {
	writes := in.Flags&unix.O_ACCMODE != unix.O_RDONLY || in.Flags&unix.O_TRUNC != 0
	if e := fs.rofs(); e != 0 && writes {
		return e
	}
	n := fs.node(k)
	if n.typ != unix.S_IFREG {
		return vfs.ENXIO
	}
	start, e := fs.begin(op, n)
	if e != 0 {
		return e
	}
	defer fs.end(n, start)
	flags := fs.openFlags(op, in.Flags) | int(in.Flags)&unix.O_TRUNC
	if fs.opts.SealSize && flags&unix.O_TRUNC != 0 {
		return vfs.EPERM
	}
	if in.OpenFlags&abi.OpenKillSuidgid != 0 {
		dropped, e := fs.creds.dropFsetid(op)
		if e != 0 {
			return e
		}
		defer fs.creds.restoreFsetid(op, dropped)
	}
	fd, e := fs.reopen(n, flags)
	if e == vfs.EACCES && flags&unix.O_ACCMODE == unix.O_RDWR && in.Flags&unix.O_ACCMODE == unix.O_WRONLY {
		fd, e = fs.reopen(n, flags&^unix.O_ACCMODE|unix.O_WRONLY)
	}
	if e != 0 {
		return e
	}
	out.H, e = fs.addFile(op, fd, n, flags)
	out.Flags = fs.fopen(op, n, in.Flags)
	return e
}

// Read names the range; the engine reads it.
func (fs *FS) Read(op *vfs.Op, f vfs.Open, off int64, n int32, _ *abi.ReadIn) (vfs.Payload, vfs.Errno) {
	x := fs.files.get(uint64(f.H))
	return op.Extent(&x.File, off, n), 0
}

// Write names the range; the engine writes it. A write that the client's kernel wants to take suid and sgid away is done here,
// without the right to keep them.
func (fs *FS) Write(op *vfs.Op, f vfs.Open, off int64, data []byte, in *abi.WriteIn) (vfs.Payload, vfs.Errno) {
	if e := fs.rofs(); e != 0 {
		return vfs.Payload{}, e
	}
	x := fs.files.get(uint64(f.H))
	if fs.opts.SealSize {
		if e := x.inside(off, int64(len(data))); e != 0 {
			return vfs.Payload{}, e
		}
	}
	if in.WriteFlags&abi.WriteKillSuidgid == 0 || !x.suid() {
		return op.Extent(&x.File, off, int32(len(data))), 0
	}
	if op.Nonblock() {
		return vfs.Payload{}, vfs.WouldBlock
	}
	dropped, e := fs.creds.dropFsetid(op)
	if e != 0 {
		return vfs.Payload{}, e
	}
	defer fs.creds.restoreFsetid(op, dropped)
	done := 0
	for done < len(data) {
		r, _, errno := unix.Syscall6(unix.SYS_PWRITE64, uintptr(x.FD), uintptr(unsafe.Pointer(&data[done])), uintptr(len(data)-done), uintptr(off)+uintptr(done), 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 && done == 0 {
			return vfs.Payload{}, vfs.Errno(errno)
		}
		if errno != 0 || r == 0 {
			break
		}
		done += int(r)
	}
	return op.Count(done), 0
}

// suid says whether the file has bits that a write by a stranger takes away.
func (f *file) suid() bool {
	var st unix.Statx_t
	return statFD(int(f.FD), &st) != 0 || st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0
}

// inside is EPERM for a range that would make the file longer.
func (f *file) inside(off, n int64) vfs.Errno {
	var st unix.Statx_t
	if e := statFD(int(f.FD), &st); e != 0 {
		return e
	}
	if f.flags&unix.O_APPEND != 0 || uint64(off)+uint64(n) > st.Size {
		return vfs.EPERM
	}
	return 0
}

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
	nr := uintptr(unix.SYS_FSYNC)
	if datasync {
		nr = unix.SYS_FDATASYNC
	}
	_, _, e := unix.Syscall(nr, uintptr(fs.files.get(uint64(f.H)).FD), 0, 0)
	return vfs.Errno(e)
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
	n := fs.node(k)
	fd, e := fs.reopen(n, unix.O_RDONLY)
	if e != 0 {
		return e
	}
	defer unix.Close(fd)
	_, _, errno := unix.Syscall(unix.SYS_SYNCFS, uintptr(fd), 0, 0)
	return vfs.Errno(errno)
}

// fallocAll are the modes that are passed on: keep size, punch, collapse, zero, insert, unshare.
const fallocAll = 1 | 2 | 8 | 0x10 | 0x20 | 0x40

// Fallocate reserves or punches a range; never on a loop, for it may write.
func (fs *FS) Fallocate(op *vfs.Op, f vfs.Open, in *abi.FallocateIn) vfs.Errno {
	if e := fs.rofs(); e != 0 {
		return e
	}
	if in.Mode&^fallocAll != 0 {
		return vfs.EOPNOTSUPP
	}
	if op.Nonblock() {
		return vfs.WouldBlock
	}
	x := fs.files.get(uint64(f.H))
	if fs.opts.SealSize && in.Mode&1 == 0 {
		if e := x.inside(int64(in.Offset), int64(in.Length)); e != 0 {
			return e
		}
	}
	_, _, e := unix.Syscall6(unix.SYS_FALLOCATE, uintptr(x.FD), uintptr(in.Mode), uintptr(in.Offset), uintptr(in.Length), 0, 0)
	return vfs.Errno(e)
}

// Lseek finds data and holes. Reads and writes name their offsets, so the file's position is free.
func (fs *FS) Lseek(op *vfs.Op, f vfs.Open, off int64, whence uint32, out *int64) vfs.Errno {
	x := fs.files.get(uint64(f.H))
	start, ok := x.Pace.Begin()
	if op.Nonblock() && !ok {
		return vfs.WouldBlock
	}
	r, _, e := unix.Syscall(unix.SYS_LSEEK, uintptr(x.FD), uintptr(off), uintptr(whence))
	x.Pace.End(start)
	*out = int64(r)
	return vfs.Errno(e)
}

// CopyFileRange copies inside the host; never on a loop.
func (fs *FS) CopyFileRange(op *vfs.Op, in vfs.Open, inOff int64, out vfs.Open, outOff int64, n, flags uint64, copied *uint64) vfs.Errno {
	if e := fs.rofs(); e != 0 {
		return e
	}
	if op.Nonblock() {
		return vfs.WouldBlock
	}
	from, to := fs.files.get(uint64(in.H)), fs.files.get(uint64(out.H))
	if fs.opts.SealSize {
		if e := to.inside(outOff, int64(n)); e != 0 {
			return e
		}
	}
	offs := [2]int64{inOff, outOff}
	r, _, e := unix.Syscall6(unix.SYS_COPY_FILE_RANGE, uintptr(from.FD), uintptr(unsafe.Pointer(&offs[0])), uintptr(to.FD),
		uintptr(unsafe.Pointer(&offs[1])), uintptr(n), uintptr(flags))
	if e != 0 {
		return vfs.Errno(e)
	}
	*copied = uint64(r)
	return 0
}

// Release ends the handle; an extent that is still being read keeps the descriptor.
// Locks that were taken by the file end with it: those of an open file description (F_OFD_SETLK) are not told otherwise.
func (fs *FS) Release(f vfs.Open, _ uint32, _ uint64) {
	fs.locks.post(f.Node, lockPost{what: postFile, file: f.H})
	fs.files.get(uint64(f.H)).Put()
}
