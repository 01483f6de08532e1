//go:build linux

package passthrough

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// mount is one host mount below the root that the client has reached. Its descriptor is what file handles are opened on; it is closed with the
// client's last inode there, so that the host can unmount what nobody uses.
type mount struct {
	dev, id uint64
	fd      int // a real open of a directory or file of the mount; -1: no handles
	refs    int // inodes; guarded by mounts.mu
	pace    vfs.Pace
	nowait  bool   // preadv2(RWF_NOWAIT) works
	space   uint64 // ino.go
}

// mounts is the table of them; an inode names its mount by index. Entries are used again, and never move.
type mounts struct {
	mu   sync.Mutex
	list slab[mount]
	byID map[[2]uint64]uint32 // guarded by mu
}

func (t *mounts) get(i uint32) *mount { return t.list.get(uint64(i)) }

// acquire gives the mount of an inode that is being entered, with one reference. fd is an O_PATH descriptor of something
// on it.
func (fs *FS) acquire(dev, id uint64, fd int, st *unix.Statx_t) (uint32, vfs.Errno) {
	t := &fs.mounts
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, ok := t.byID[[2]uint64{dev, id}]; ok {
		t.get(i).refs++
		return i, 0
	}
	k, m := t.list.alloc()
	if m == nil {
		return 0, vfs.ENFILE
	}
	m.dev, m.id, m.fd, m.refs = dev, id, -1, 1
	m.pace.Class, m.nowait = classify(fd)
	m.space = fs.inos.space(dev)
	if fs.opts.InodeHandles != HandlesNever && fs.handles {
		m.fd = mountFD(fd, st.Mode)
	}
	t.byID[[2]uint64{dev, id}] = uint32(k)
	return uint32(k), 0
}

// put gives a reference back.
func (t *mounts) put(i uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.get(i)
	if m.refs--; m.refs > 0 {
		return
	}
	if m.fd >= 0 {
		unix.Close(m.fd)
		m.fd = -1
	}
	delete(t.byID, [2]uint64{m.dev, m.id})
	t.list.put(uint64(i))
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
func classify(fd int) (vfs.PaceClass, bool) {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return vfs.PaceRemote, false
	}
	switch uint32(st.Type) {
	case magicTmpfs, magicRamfs, magicHuge:
		return vfs.PaceMemory, false
	case magicExt4, magicXFS, magicBtrfs, magicF2FS:
		return vfs.PaceLocal, true
	}
	return vfs.PaceRemote, false
}
