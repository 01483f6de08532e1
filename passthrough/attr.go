//go:build linux

package passthrough

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// fillStat turns a host's statx into attributes as the client sees them.
func (fs *FS) fillStat(n *inode, st *unix.Statx_t, out *vfs.Stat) {
	out.TTL = fs.opts.AttrTimeout
	if n.typ == unix.S_IFDIR {
		out.TTL = fs.opts.DirAttrTimeout
	}
	out.Attr = abi.Attr{
		Ino: fs.inos.number(fs.mounts.get(n.mnt).space, st.Ino), Size: st.Size, Blocks: st.Blocks,
		Atime: uint64(st.Atime.Sec), Mtime: uint64(st.Mtime.Sec), Ctime: uint64(st.Ctime.Sec),
		AtimeNsec: st.Atime.Nsec, MtimeNsec: st.Mtime.Nsec, CtimeNsec: st.Ctime.Nsec,
		Mode: uint32(st.Mode), Nlink: st.Nlink, UID: st.Uid, GID: st.Gid,
		Rdev: encodeDev(st.Rdev_major, st.Rdev_minor), Blksize: st.Blksize,
	}
}

// encodeDev is the kernel's new_encode_dev: 12 bits of major, 20 of minor.
func encodeDev(major, minor uint32) uint32 { return minor&0xff | major<<8 | (minor&^0xff)<<12 }

func decodeDev(dev uint32) (major, minor uint32) {
	return dev >> 8 & 0xfff, dev&0xff | dev>>12&0xfff00
}

// Getattr reads attributes, from the open file where there is one.
func (fs *FS) Getattr(op *vfs.Op, k vfs.Key, f *vfs.Open, out *vfs.Stat) vfs.Errno {
	n := fs.node(k)
	start, e := fs.begin(op, n)
	if e != 0 {
		return e
	}
	e = fs.getattr(n, f, out)
	fs.end(n, start)
	return e
}

func (fs *FS) getattr(n *inode, f *vfs.Open, out *vfs.Stat) vfs.Errno {
	var st unix.Statx_t
	if fd, ok := fs.fileFD(f); ok {
		if e := statFD(fd, &st); e != 0 {
			return e
		}
	} else {
		fd, e := fs.hold(n)
		if e != 0 {
			return e
		}
		e = statFD(fd, &st)
		fs.unhold(n)
		if e != 0 {
			return e
		}
	}
	fs.fillStat(n, &st, out)
	return 0
}

// fileFD is the descriptor of an open file.
func (fs *FS) fileFD(f *vfs.Open) (int, bool) {
	if f == nil || f.H == 0 {
		return -1, false
	}
	return int(fs.files.get(uint64(f.H)).FD), true
}

// Statx is Getattr with birth time and file attributes.
func (fs *FS) Statx(op *vfs.Op, k vfs.Key, f *vfs.Open, _ *abi.StatxIn, out *abi.StatxOut) vfs.Errno {
	n := fs.node(k)
	start, e := fs.begin(op, n)
	if e != 0 {
		return e
	}
	fd, ok := fs.fileFD(f)
	if !ok {
		if fd, e = fs.hold(n); e != 0 {
			return e
		}
		defer fs.unhold(n)
	}
	var st unix.Statx_t
	e = statFD(fd, &st)
	fs.end(n, start)
	if e != 0 {
		return e
	}
	ttl := fs.opts.AttrTimeout
	if n.typ == unix.S_IFDIR {
		ttl = fs.opts.DirAttrTimeout
	}
	out.AttrValid, out.AttrValidNsec = uint64(ttl/1e9), uint32(ttl%1e9)
	sx := func(t unix.StatxTimestamp) abi.SxTime { return abi.SxTime{TvSec: t.Sec, TvNsec: t.Nsec} }
	out.Stat = abi.Statx{
		Mask: st.Mask & (unix.STATX_BASIC_STATS | unix.STATX_BTIME), Blksize: st.Blksize, Attributes: st.Attributes,
		AttributesMask: st.Attributes_mask, Nlink: st.Nlink, UID: st.Uid, GID: st.Gid, Mode: st.Mode,
		Ino: fs.inos.number(fs.mounts.get(n.mnt).space, st.Ino), Size: st.Size, Blocks: st.Blocks,
		Atime: sx(st.Atime), Btime: sx(st.Btime), Ctime: sx(st.Ctime), Mtime: sx(st.Mtime),
		RdevMajor: st.Rdev_major, RdevMinor: st.Rdev_minor,
	}
	return 0
}

// Setattr changes attributes: size first, for it may be refused, then owner, mode and times.
func (fs *FS) Setattr(op *vfs.Op, k vfs.Key, f *vfs.Open, in *abi.SetattrIn, out *vfs.Stat) vfs.Errno {
	if e := fs.rofs(); e != 0 {
		return e
	}
	n := fs.node(k)
	start, e := fs.begin(op, n)
	if e != 0 {
		return e
	}
	e = fs.setattr(op, n, f, in)
	if e == 0 {
		e = fs.getattr(n, f, out)
	}
	fs.end(n, start)
	return e
}

func (fs *FS) setattr(op *vfs.Op, n *inode, f *vfs.Open, in *abi.SetattrIn) vfs.Errno {
	if in.Valid&abi.FattrSize != 0 {
		if e := fs.truncate(op, n, f, in); e != 0 {
			return e
		}
	}
	const rest = abi.FattrUID | abi.FattrGID | abi.FattrMode | abi.FattrAtime | abi.FattrMtime
	if in.Valid&rest == 0 {
		return 0
	}
	fd, e := fs.hold(n)
	if e != 0 {
		return e
	}
	defer fs.unhold(n)
	if in.Valid&(abi.FattrUID|abi.FattrGID) != 0 {
		if e := chown(fd, in); e != 0 {
			return e
		}
	}
	if in.Valid&abi.FattrMode != 0 {
		if n.typ == unix.S_IFLNK {
			return vfs.EOPNOTSUPP
		}
		if e := chmod(fd, in.Mode&0o7777); e != 0 {
			return e
		}
	}
	if in.Valid&(abi.FattrAtime|abi.FattrMtime) != 0 {
		return setTimes(fd, in)
	}
	return 0
}

func chown(fd int, in *abi.SetattrIn) vfs.Errno {
	uid, gid := ^uint32(0), ^uint32(0)
	if in.Valid&abi.FattrUID != 0 {
		uid = in.UID
	}
	if in.Valid&abi.FattrGID != 0 {
		gid = in.GID
	}
	_, _, e := unix.Syscall6(unix.SYS_FCHOWNAT, uintptr(fd), uintptr(unsafe.Pointer(&emptyPath)), uintptr(uid), uintptr(gid), unix.AT_EMPTY_PATH, 0)
	return vfs.Errno(e)
}

func chmod(fd int, mode uint32) vfs.Errno {
	_, _, e := unix.Syscall6(unix.SYS_FCHMODAT2, uintptr(fd), uintptr(unsafe.Pointer(&emptyPath)), uintptr(mode), unix.AT_EMPTY_PATH, 0, 0)
	if e != unix.ENOSYS { // Linux 6.6
		return vfs.Errno(e)
	}
	var p procPath
	at := unix.AT_FDCWD
	_, _, e = unix.Syscall(unix.SYS_FCHMODAT, uintptr(at), uintptr(unsafe.Pointer(p.set(fd))), uintptr(mode))
	return vfs.Errno(e)
}

func setTimes(fd int, in *abi.SetattrIn) vfs.Errno {
	pick := func(set, now uint32, sec uint64, nsec uint32) unix.Timespec {
		switch {
		case in.Valid&set == 0:
			return unix.Timespec{Nsec: unix.UTIME_OMIT}
		case in.Valid&now != 0:
			return unix.Timespec{Nsec: unix.UTIME_NOW}
		}
		return unix.Timespec{Sec: int64(sec), Nsec: int64(nsec)}
	}
	ts := [2]unix.Timespec{
		pick(abi.FattrAtime, abi.FattrAtimeNow, in.Atime, in.AtimeNsec),
		pick(abi.FattrMtime, abi.FattrMtimeNow, in.Mtime, in.MtimeNsec),
	}
	_, _, e := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), uintptr(unsafe.Pointer(&emptyPath)), uintptr(unsafe.Pointer(&ts)), unix.AT_EMPTY_PATH, 0, 0)
	return vfs.Errno(e)
}

// truncate sets the size, under the rights that the caller has to keep suid and sgid.
func (fs *FS) truncate(op *vfs.Op, n *inode, f *vfs.Open, in *abi.SetattrIn) vfs.Errno {
	if fs.opts.SealSize {
		return vfs.EPERM
	}
	if in.Valid&abi.FattrKillSuidgid != 0 {
		drop, e := fs.creds.dropFsetid(op)
		if e != 0 {
			return e
		}
		defer fs.creds.restoreFsetid(op, drop)
	}
	if fd, open := fs.fileFD(f); open {
		// EINVAL: opened for reading; the client's kernel has checked the right to write.
		if e := ftruncate(fd, in.Size); e != vfs.EINVAL {
			return e
		}
	}
	flags := unix.O_WRONLY
	if op.Nonblock() {
		flags |= unix.O_NONBLOCK // not to wait for whoever has a lease on the file
	}
	fd, e := fs.reopen(n, flags)
	if e == vfs.EAGAIN && op.Nonblock() {
		return vfs.WouldBlock
	}
	if e != 0 {
		return e
	}
	e = ftruncate(fd, in.Size)
	unix.Close(fd)
	return e
}

func ftruncate(fd int, size uint64) vfs.Errno {
	_, _, e := unix.Syscall(unix.SYS_FTRUNCATE, uintptr(fd), uintptr(size), 0)
	return vfs.Errno(e)
}
