//go:build linux

package passthrough

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

const (
	// fallocAll are the modes that are passed on.
	fallocAll = unix.FALLOC_FL_KEEP_SIZE | unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_COLLAPSE_RANGE |
		unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_INSERT_RANGE | unix.FALLOC_FL_UNSHARE_RANGE
	fallocShift = unix.FALLOC_FL_COLLAPSE_RANGE | unix.FALLOC_FL_INSERT_RANGE // these always change the size
)

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
	x, e := fs.use(op, f, true)
	if e != 0 {
		return e
	}
	defer fs.unuse(f, x)
	if fs.opts.SealSize {
		if in.Mode&fallocShift != 0 {
			return vfs.EPERM
		}
		if in.Mode&unix.FALLOC_FL_KEEP_SIZE == 0 {
			if e := x.inside(int64(in.Offset), int64(in.Length), false); e != 0 {
				return e
			}
		}
	}
	for {
		_, _, e := unix.Syscall6(unix.SYS_FALLOCATE, uintptr(x.FD), uintptr(in.Mode), uintptr(in.Offset), uintptr(in.Length), 0, 0)
		if !again(op, e) {
			return vfs.Errno(e)
		}
	}
}

// Lseek finds data and holes. Reads and writes name their offsets, so the descriptor's position is free.
func (fs *FS) Lseek(op *vfs.Op, f vfs.Open, off int64, whence uint32, out *int64) vfs.Errno {
	x, e := fs.use(op, f, false)
	if e != 0 {
		return e
	}
	defer fs.unuse(f, x)
	start, ok := x.Pace.Begin()
	if op.Nonblock() && !ok {
		return vfs.WouldBlock
	}
	r, _, errno := unix.Syscall(unix.SYS_LSEEK, uintptr(x.FD), uintptr(off), uintptr(whence))
	x.Pace.End(start)
	*out = int64(r)
	return vfs.Errno(errno)
}

// copyMax is how much one COPY_FILE_RANGE copies: where the host has no extents to share, it holds a thread so long. Callers go on after
// a short copy.
const copyMax = 128 << 20

// CopyFileRange copies inside the host; never on a loop.
func (fs *FS) CopyFileRange(op *vfs.Op, in vfs.Open, inOff int64, out vfs.Open, outOff int64, n, flags uint64, copied *uint64) vfs.Errno {
	if e := fs.rofs(); e != 0 {
		return e
	}
	if op.Nonblock() {
		return vfs.WouldBlock
	}
	from, e := fs.use(op, in, false)
	if e != 0 {
		return e
	}
	defer fs.unuse(in, from)
	to, e := fs.use(op, out, true)
	if e != 0 {
		return e
	}
	defer fs.unuse(out, to)
	n = min(n, copyMax)
	if fs.opts.SealSize {
		if e := to.inside(outOff, int64(n), false); e != 0 {
			return e
		}
	}
	for {
		offs := [2]int64{inOff, outOff}
		r, _, e := unix.Syscall6(unix.SYS_COPY_FILE_RANGE, uintptr(from.FD), uintptr(unsafe.Pointer(&offs[0])), uintptr(to.FD),
			uintptr(unsafe.Pointer(&offs[1])), uintptr(n), uintptr(flags))
		if again(op, e) {
			continue
		}
		if e == 0 {
			*copied = uint64(r)
		}
		return vfs.Errno(e)
	}
}
