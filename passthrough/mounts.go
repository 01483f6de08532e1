//go:build linux

package passthrough

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// mount is one host mount below the root that the client has reached (on btrfs: one subvolume of it). Its descriptor is what file
// handles are opened on; it is closed with the client's last inode there, so that the host can unmount what nobody uses.
type mount struct {
	dev, id uint64
	fd      int          // a real open of a directory or file of the mount; -1: no handles
	refs    atomic.Int32 // inodes; the last one is given back under mounts.mu
	pace    vfs.Pace
	magic   uint32 // statfs's f_type
	nowait  bool   // preadv2(RWF_NOWAIT) works
	space   uint64 // ino.go
}

// is says whether st shows something of this mount.
func (m *mount) is(st *unix.Statx_t) bool {
	return m.id == st.Mnt_id && m.dev == device(st.Dev_major, st.Dev_minor)
}

// mounts is the table of them; an inode names its mount by index. Entries are used again, and never move.
type mounts struct {
	mu   sync.Mutex
	list slab[mount]
	byID map[[2]uint64]uint32 // guarded by mu
}

func (t *mounts) get(i uint32) *mount { return t.list.get(uint64(i)) }

// find gives the mount that st shows, with a reference. near is one that the caller has a reference of, probably the same; 0: none.
func (t *mounts) find(st *unix.Statx_t, near uint32) (uint32, bool) {
	if near != 0 {
		if m := t.get(near); m.is(st) {
			m.refs.Add(1)
			return near, true
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.findLocked(st)
}

// Precondition: t.mu is held.
func (t *mounts) findLocked(st *unix.Statx_t) (uint32, bool) {
	i, ok := t.byID[[2]uint64{device(st.Dev_major, st.Dev_minor), st.Mnt_id}]
	if ok {
		t.get(i).refs.Add(1)
	}
	return i, ok
}

// acquire is find, for a mount that may be new. fd is a descriptor of something on it. It may wait.
func (fs *FS) acquire(fd int, st *unix.Statx_t, near uint32) (uint32, vfs.Errno) {
	t := &fs.mounts
	if i, ok := t.find(st, near); ok {
		return i, 0
	}
	class, magic, nowait := classify(fd)
	mfd := -1
	if fs.opts.InodeHandles != HandlesNever && fs.handles {
		mfd = mountFD(fd, st.Mode)
	}
	t.mu.Lock()
	i, ok := t.findLocked(st) // another thread was quicker
	if !ok {
		if k, m := t.list.alloc(); m != nil {
			i, ok = uint32(k), true
			m.dev, m.id, m.fd = device(st.Dev_major, st.Dev_minor), st.Mnt_id, mfd
			m.pace.Class, m.magic, m.nowait = class, magic, nowait
			m.space = fs.inos.space(m.dev)
			m.refs.Store(1)
			t.byID[[2]uint64{m.dev, m.id}] = i
			mfd = -1
		}
	}
	t.mu.Unlock()
	if mfd >= 0 {
		unix.Close(mfd)
	}
	if !ok {
		return 0, vfs.ENFILE
	}
	return i, 0
}

// put gives a reference back.
func (t *mounts) put(i uint32) {
	m := t.get(i)
	for r := m.refs.Load(); r > 1; r = m.refs.Load() {
		if m.refs.CompareAndSwap(r, r-1) {
			return
		}
	}
	t.mu.Lock()
	fd := -1
	if m.refs.Add(-1) == 0 {
		fd = m.fd
		delete(t.byID, [2]uint64{m.dev, m.id})
		t.list.put(uint64(i))
	}
	t.mu.Unlock()
	if fd >= 0 {
		unix.Close(fd)
	}
}

// mountFD opens something on the mount for open_by_handle_at; -1: file handles do not work there.
func mountFD(fd int, mode uint16) int {
	if t := mode & unix.S_IFMT; t != unix.S_IFDIR && t != unix.S_IFREG {
		return -1
	}
	var h fileHandle
	if h.of(fd) != 0 {
		return -1
	}
	m, e := openProc(fd, unix.O_RDONLY|unix.O_NONBLOCK)
	if e != 0 {
		return -1
	}
	back, e := h.open(m, unix.O_PATH)
	if e != 0 {
		unix.Close(m)
		return -1
	}
	unix.Close(back)
	return m
}

// File system types by statfs(2) (include/uapi/linux/magic.h).
const (
	magicTmpfs = 0x01021994
	magicRamfs = 0x858458f6
	magicHuge  = 0x958458f6
	magicExt4  = 0xef53
	magicXFS   = 0x58465342
	magicBtrfs = 0x9123683e
	magicF2FS  = 0xf2f52010
)

// classify says what is known of a file system's speed.
func classify(fd int) (class vfs.PaceClass, magic uint32, nowait bool) {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return vfs.PaceRemote, 0, false
	}
	magic = uint32(st.Type)
	switch magic {
	case magicTmpfs, magicRamfs, magicHuge:
		return vfs.PaceMemory, magic, false
	case magicExt4, magicXFS, magicBtrfs, magicF2FS:
		return vfs.PaceLocal, magic, true
	}
	return vfs.PaceRemote, magic, false
}
