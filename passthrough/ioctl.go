//go:build linux

package passthrough

import (
	"encoding/binary"
	"structs"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// The ioctls that are passed on, by the numbers that 64-bit and 32-bit programs use (include/uapi/linux/fs.h). All others touch
// the host's file system as a whole (FIFREEZE, FS_IOC_SHUTDOWN), name descriptors that mean nothing here, or are a
// device's own business.
const (
	iocGetflags    = 0x80086601 // _IOR('f', 1, long); the argument is an int all the same
	iocGetflags32  = 0x80046601
	iocSetflags    = 0x40086602
	iocSetflags32  = 0x40046602
	iocGetversion  = 0x80087601
	iocGetversion3 = 0x80047601
	iocFsgetxattr  = 0x801c581f
	iocFssetxattr  = 0x401c5820

	ficlone       = 0x40049409
	ficlonerange  = 0x4020940d
	fideduperange = 0xc0189436
)

// Flags that only root may change: FS_*_FL of SETFLAGS, FS_XFLAG_* of FSSETXATTR.
const (
	flImmutable   = 0x10
	flAppend      = 0x20
	flJournalData = 0x4000
	flRoot        = flImmutable | flAppend | flJournalData

	xflImmutable = 0x8
	xflAppend    = 0x10
	xflRoot      = xflImmutable | xflAppend
)

// fsxattr is struct fsxattr (include/uapi/linux/fs.h).
type fsxattr struct {
	_ structs.HostLayout

	xflags, extsize, nextents, projid, cowextsize uint32
	pad                                           [8]byte
}

const fsxattrSize = 28

var _ = [1]int{}[unsafe.Sizeof(fsxattr{})-fsxattrSize]

// ioctlHead is the length of struct fuse_ioctl_out, which goes before the answer.
const ioctlHead = 16

// Ioctl passes on what concerns one file and nothing else.
func (fs *FS) Ioctl(op *vfs.Op, f vfs.Open, in *abi.IoctlIn, data []byte, res *int32) (vfs.Payload, vfs.Errno) {
	*res = 0
	if in.Flags&abi.IoctlUnrestricted != 0 {
		return vfs.Payload{}, vfs.ENOTTY
	}
	size, set := 4, false
	switch in.Cmd {
	case iocGetflags, iocGetflags32, iocGetversion, iocGetversion3:
	case iocSetflags, iocSetflags32:
		set = true
	case iocFsgetxattr:
		size = fsxattrSize
	case iocFssetxattr:
		size, set = fsxattrSize, true
	case ficlone, ficlonerange, fideduperange: // the client's kernel has a way of its own for them
		return vfs.Payload{}, vfs.EOPNOTSUPP
	default:
		return vfs.Payload{}, vfs.ENOTTY
	}
	if set && len(data) < size || !set && int(in.OutSize) < size {
		return vfs.Payload{}, vfs.EINVAL
	}
	if set {
		if e := fs.rofs(); e != 0 {
			return vfs.Payload{}, e
		}
		if op.Nonblock() {
			return vfs.Payload{}, vfs.WouldBlock
		}
	}
	x, e := fs.use(op, f, false)
	if e != 0 {
		return vfs.Payload{}, e
	}
	defer fs.unuse(f, x)
	start, ok := x.Pace.Begin()
	if op.Nonblock() && !ok {
		return vfs.Payload{}, vfs.WouldBlock
	}
	defer x.Pace.End(start)
	switch {
	case set && size == 4:
		return vfs.Payload{}, x.setFlags(op, binary.NativeEndian.Uint32(data))
	case set:
		return vfs.Payload{}, x.setXattr(op, data)
	case size == 4:
		return x.getInt(op, in.Cmd)
	}
	return x.getXattr(op)
}

// getInt is FS_IOC_GETFLAGS or FS_IOC_GETVERSION.
func (f *file) getInt(op *vfs.Op, cmd uint32) (vfs.Payload, vfs.Errno) {
	host := uintptr(iocGetflags)
	if cmd == iocGetversion || cmd == iocGetversion3 {
		host = iocGetversion
	}
	var v [2]uint32 // room for a host that believes in the long
	if e := ioctl(int(f.FD), host, unsafe.Pointer(&v)); e != 0 {
		return vfs.Payload{}, e
	}
	out := op.Reply(ioctlHead + 4)
	if len(out) < ioctlHead+4 {
		return vfs.Payload{}, vfs.EINVAL
	}
	binary.NativeEndian.PutUint32(out[ioctlHead:], v[0])
	return op.Bytes(out[ioctlHead:]), 0
}

func (f *file) getXattr(op *vfs.Op) (vfs.Payload, vfs.Errno) {
	var v fsxattr
	if e := ioctl(int(f.FD), iocFsgetxattr, unsafe.Pointer(&v)); e != 0 {
		return vfs.Payload{}, e
	}
	out := op.Reply(ioctlHead + fsxattrSize)
	if len(out) < ioctlHead+fsxattrSize {
		return vfs.Payload{}, vfs.EINVAL
	}
	copy(out[ioctlHead:], v.bytes())
	return op.Bytes(out[ioctlHead:]), 0
}

func (v *fsxattr) bytes() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), fsxattrSize) }

// setFlags is FS_IOC_SETFLAGS, for the file's owner and root.
func (f *file) setFlags(op *vfs.Op, flags uint32) vfs.Errno {
	if e := f.mine(op); e != 0 {
		return e
	}
	v := [2]uint32{}
	if e := ioctl(int(f.FD), iocGetflags, unsafe.Pointer(&v)); e != 0 {
		return e
	}
	if op.UID != 0 && (v[0]^flags)&flRoot != 0 {
		return vfs.EPERM
	}
	v[0] = flags
	return ioctl(int(f.FD), iocSetflags, unsafe.Pointer(&v))
}

// setXattr is FS_IOC_FSSETXATTR, for the file's owner and root. Quotas follow the project id: it is root's.
func (f *file) setXattr(op *vfs.Op, data []byte) vfs.Errno {
	if e := f.mine(op); e != 0 {
		return e
	}
	var now, want fsxattr
	copy(want.bytes(), data)
	if e := ioctl(int(f.FD), iocFsgetxattr, unsafe.Pointer(&now)); e != 0 {
		return e
	}
	if op.UID != 0 && ((now.xflags^want.xflags)&xflRoot != 0 || now.projid != want.projid) {
		return vfs.EPERM
	}
	return ioctl(int(f.FD), iocFssetxattr, unsafe.Pointer(&want))
}

// mine says whether the caller owns the file or is root.
func (f *file) mine(op *vfs.Op) vfs.Errno {
	if op.UID == 0 {
		return 0
	}
	var st unix.Statx_t
	if e := statFD(int(f.FD), &st); e != 0 {
		return e
	}
	if st.Uid != op.UID {
		return vfs.EPERM
	}
	return 0
}

func ioctl(fd int, cmd uintptr, arg unsafe.Pointer) vfs.Errno {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), cmd, uintptr(arg))
	return vfs.Errno(e)
}
