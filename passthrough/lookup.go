//go:build linux

package passthrough

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

const statMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME | unix.STATX_MNT_ID

// statx is statx(2) without an allocation.
func statx(fd int, name *byte, flags int, st *unix.Statx_t) vfs.Errno {
	_, _, e := unix.Syscall6(unix.SYS_STATX, uintptr(fd), uintptr(unsafe.Pointer(name)), uintptr(flags), statMask, uintptr(unsafe.Pointer(st)), 0)
	return vfs.Errno(e)
}

func statFD(fd int, st *unix.Statx_t) vfs.Errno {
	return statx(fd, &emptyPath[0], unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW, st)
}

func device(major, minor uint32) uint64 { return uint64(major)<<32 | uint64(minor) }

func birth(st *unix.Statx_t) int64 {
	if st.Mask&unix.STATX_BTIME == 0 {
		return 0
	}
	return st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
}

// known finds the inode that st shows and takes a reference of it.
func (fs *FS) known(st *unix.Statx_t, out *vfs.Entry) bool {
	dev := device(st.Dev_major, st.Dev_minor)
	fs.mounts.mu.Lock()
	mnt, ok := fs.mounts.byID[[2]uint64{dev, st.Mnt_id}]
	fs.mounts.mu.Unlock()
	if !ok {
		return false
	}
	id := ident{dev: dev, ino: st.Ino, birth: birth(st), mnt: mnt}
	h := id.hash()
	s := fs.shard(h)
	s.mu.Lock()
	k, n := fs.find(s, h, &id)
	if n != nil {
		n.refs++
	}
	s.mu.Unlock()
	if n == nil {
		return false
	}
	fs.fillEntry(out, vfs.Key(k), n, st)
	return true
}

func (fs *FS) fillEntry(out *vfs.Entry, k vfs.Key, n *inode, st *unix.Statx_t) {
	out.Key = k
	fs.fillStat(n, st, &out.Stat)
	out.EntryTTL = fs.opts.EntryTimeout
	if n.typ == unix.S_IFDIR {
		out.EntryTTL = fs.opts.DirEntryTimeout
	}
}

// enter makes an inode of an O_PATH descriptor, which it takes over, or finds the one that there is.
func (fs *FS) enter(fd int, out *vfs.Entry) vfs.Errno {
	var st unix.Statx_t
	if e := statFD(fd, &st); e != 0 {
		unix.Close(fd)
		return e
	}
	if fs.known(&st, out) {
		unix.Close(fd)
		return 0
	}
	mnt, e := fs.acquire(device(st.Dev_major, st.Dev_minor), st.Mnt_id, fd, &st)
	if e != 0 {
		unix.Close(fd)
		return e
	}
	id := ident{dev: device(st.Dev_major, st.Dev_minor), ino: st.Ino, birth: birth(&st), mnt: mnt}
	var fh fileHandle
	useHandle := fs.mounts.get(mnt).fd >= 0 && fh.of(fd) == 0
	h := id.hash()
	s := fs.shard(h)
	s.mu.Lock()
	if k, n := fs.find(s, h, &id); n != nil { // another thread was quicker
		n.refs++
		s.mu.Unlock()
		fs.mounts.put(mnt)
		unix.Close(fd)
		fs.fillEntry(out, vfs.Key(k), n, &st)
		return 0
	}
	k, n := fs.inodes.alloc()
	if n == nil {
		s.mu.Unlock()
		fs.mounts.put(mnt)
		unix.Close(fd)
		return vfs.ENFILE
	}
	n.ident, n.refs, n.typ, n.hlen = id, 1, st.Mode&unix.S_IFMT, 0
	if useHandle {
		n.hlen, n.htype, n.handle = uint8(fh.bytes), fh.typ, fh.data
	}
	keep := !useHandle || n.typ == unix.S_IFDIR // a file's descriptor is opened when it is needed
	n.hot.Store(true)
	n.seen.Store(0)
	if keep {
		n.fd.Store(int32(fd))
	} else {
		n.fd.Store(-1)
	}
	fs.insert(s, h, uint32(k))
	s.mu.Unlock()
	if keep {
		fs.grown()
	} else {
		unix.Close(fd)
	}
	fs.fillEntry(out, vfs.Key(k), n, &st)
	return 0
}

// Lookup finds a name.
func (fs *FS) Lookup(op *vfs.Op, dir vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	d := fs.node(dir)
	start, e := fs.begin(op, d)
	if e != 0 {
		return e
	}
	e = fs.lookup(d, name, out)
	fs.end(d, start)
	if e == vfs.ENOENT && fs.opts.NegativeTimeout > 0 {
		out.Negative, out.EntryTTL = true, fs.opts.NegativeTimeout
		return 0
	}
	return e
}

func (fs *FS) lookup(d *inode, name vfs.Name, out *vfs.Entry) vfs.Errno {
	if name.Dots() {
		return vfs.EINVAL
	}
	dfd, e := fs.hold(d)
	if e != 0 {
		return e
	}
	defer fs.unhold(d)
	var st unix.Statx_t
	if e := statx(dfd, name.Ptr(), unix.AT_SYMLINK_NOFOLLOW, &st); e != 0 {
		return e
	}
	if fs.known(&st, out) {
		return 0
	}
	fd, e := fs.openPath(dfd, name)
	if e != 0 {
		return e
	}
	return fs.enter(fd, out)
}

// openPath opens one component, never through a symlink, for its identity only.
func (fs *FS) openPath(dfd int, name vfs.Name) (int, vfs.Errno) {
	for try := 0; ; try++ {
		fd, _, e := unix.Syscall6(unix.SYS_OPENAT, uintptr(dfd), uintptr(unsafe.Pointer(name.Ptr())),
			unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0, 0, 0)
		if (e == unix.EMFILE || e == unix.ENFILE) && try == 0 && fs.evict(64) > 0 {
			continue
		}
		return int(fd), full(vfs.Errno(e))
	}
}
