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

func identOf(st *unix.Statx_t, mnt uint32) ident {
	return ident{ino: st.Ino, birth: birth(st), mnt: mnt}
}

// known finds the inode that st shows and takes a reference of it. The mount's reference, which is the caller's, is given back then.
func (fs *FS) known(st *unix.Statx_t, mnt uint32, out *vfs.Entry) bool {
	id := identOf(st, mnt)
	k, n := fs.retain(&id)
	if n == nil {
		return false
	}
	fs.mounts.put(mnt)
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

// enter makes an inode of an O_PATH descriptor, which it takes over, or finds the one that there is. near is a mount that the caller has
// a reference of; 0: none. It may wait.
func (fs *FS) enter(fd int, near uint32, out *vfs.Entry) vfs.Errno {
	kept, e := fs.admit(fd, near, true, out)
	if !kept {
		unix.Close(fd)
	}
	return e
}

// enterOpen is enter for the descriptor of an open file, which stays the caller's.
func (fs *FS) enterOpen(fd int, near uint32, out *vfs.Entry) vfs.Errno {
	_, e := fs.admit(fd, near, false, out)
	return e
}

// admit finds or makes the inode of fd. path: fd is O_PATH and may be kept; kept says that it was.
func (fs *FS) admit(fd int, near uint32, path bool, out *vfs.Entry) (kept bool, e vfs.Errno) {
	var st unix.Statx_t
	if e := statFD(fd, &st); e != 0 {
		return false, e
	}
	mnt, e := fs.acquire(fd, &st, near)
	if e != 0 {
		return false, e
	}
	if fs.known(&st, mnt, out) {
		return false, 0
	}
	var h fileHandle
	if fs.mounts.get(mnt).fd < 0 || h.of(fd) != 0 {
		h.bytes = 0
	}
	switch {
	case h.bytes != 0 && (!path || st.Mode&unix.S_IFMT != unix.S_IFDIR): // opened when it is needed
		return fs.add(-1, &h, &st, mnt, out)
	case path:
		return fs.add(fd, &h, &st, mnt, out)
	}
	own, e := openProc(fd, unix.O_PATH)
	if e != 0 {
		fs.mounts.put(mnt)
		return false, full(e)
	}
	used, e := fs.add(own, &h, &st, mnt, out)
	if !used {
		unix.Close(own)
	}
	return false, e
}

// add enters an inode with a handle (h.bytes 0: none), an O_PATH descriptor (-1: none) or both, and takes over the caller's reference of
// the mount. used says that it has taken the descriptor.
func (fs *FS) add(fd int, fh *fileHandle, st *unix.Statx_t, mnt uint32, out *vfs.Entry) (used bool, e vfs.Errno) {
	id := identOf(st, mnt)
	h := id.hash()
	s := fs.shard(h)
	s.mu.Lock()
	if k, n := fs.find(s, h, &id); n != nil { // another thread was quicker
		n.refs++
		s.mu.Unlock()
		fs.mounts.put(mnt)
		fs.fillEntry(out, vfs.Key(k), n, st)
		return false, 0
	}
	k, n := fs.inodes.alloc()
	if n == nil {
		s.mu.Unlock()
		fs.mounts.put(mnt)
		return false, vfs.ENFILE
	}
	n.lock()
	n.ident, n.refs, n.typ, n.key = id, 1, st.Mode&unix.S_IFMT, uint32(k)
	n.hlen, n.htype, n.handle = uint8(fh.bytes), fh.typ, fh.data
	n.use.Store(useHot)
	n.seen.Store(0)
	n.fd.Store(int32(fd))
	n.unlock()
	fs.insert(s, h, uint32(k))
	s.mu.Unlock()
	if fd >= 0 && fh.bytes != 0 {
		fs.grown(n)
	}
	fs.fillEntry(out, vfs.Key(k), n, st)
	return fd >= 0, 0
}

// Lookup finds a name.
func (fs *FS) Lookup(op *vfs.Op, dir vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	d := fs.node(dir)
	start, e := fs.begin(op, d)
	if e != 0 {
		return e
	}
	e = fs.lookup(d, name, op.Nonblock(), out)
	fs.end(d, start)
	if e == vfs.ENOENT && fs.opts.NegativeTimeout > 0 {
		out.Negative, out.EntryTTL = true, fs.opts.NegativeTimeout
		return 0
	}
	return e
}

// lookup finds a name in d. With nonblock, what is mounted or would be mounted on the name is left to a call that may wait: that
// file system may be a dead server's.
func (fs *FS) lookup(d *inode, name vfs.Name, nonblock bool, out *vfs.Entry) vfs.Errno {
	if name.Dots() {
		return vfs.EINVAL
	}
	dfd, e := fs.hold(d)
	if e != 0 {
		return e
	}
	e = fs.lookupAt(d, dfd, name, nonblock, out)
	fs.unhold(d)
	return e
}

func (fs *FS) lookupAt(d *inode, dfd int, name vfs.Name, nonblock bool, out *vfs.Entry) vfs.Errno {
	flags := unix.AT_SYMLINK_NOFOLLOW
	if nonblock {
		flags |= unix.AT_NO_AUTOMOUNT | unix.AT_STATX_DONT_SYNC
	}
	var st unix.Statx_t
	if e := statx(dfd, name.Ptr(), flags, &st); e != 0 {
		return e
	}
	m := fs.mounts.get(d.mnt)
	same := m.is(&st)
	if nonblock && (!same || st.Attributes&unix.STATX_ATTR_AUTOMOUNT != 0) {
		return vfs.WouldBlock
	}
	mnt, ok := fs.mounts.find(&st, d.mnt)
	if ok && fs.known(&st, mnt, out) {
		return 0
	}
	if ok {
		var h fileHandle
		if same && m.fd >= 0 && st.Mode&unix.S_IFMT != unix.S_IFDIR && h.at(dfd, name, m, &st) {
			_, e := fs.add(-1, &h, &st, mnt, out)
			return e
		}
		fs.mounts.put(mnt)
	}
	fd, e := fs.openPath(dfd, name)
	if e != 0 {
		return e
	}
	return fs.enter(fd, d.mnt, out)
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
