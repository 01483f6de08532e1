//go:build linux

package passthrough

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// file is an open file or directory: vfs counts the users of its descriptor, so that an extent outlives a RELEASE.
// O_APPEND is never set on the descriptor: the client can switch it on and off, and its kernel writes back pages by any
// file that is open for writing. Each write says for itself whether it appends.
type file struct {
	vfs.File
	fs       *FS
	key      uint64 // its own number in FS.files
	flags    int    // as it was opened on the host
	conn     *vfs.Conn
	buffered atomic.Pointer[vfs.File] // of a file that was opened with O_DIRECT: one without, for who does not want it
	dir      sync.Mutex
	buf      *dirBuf // directories; guarded by dir
}

// CloseFile is the last Put: nobody uses the descriptor any more.
func (f *file) CloseFile(*vfs.File) {
	unix.Close(int(f.FD))
	f.FD = -1
	if b := f.buffered.Swap(nil); b != nil {
		b.Put()
	}
	if f.buf != nil {
		f.fs.bufs.put(f.buf)
		f.buf = nil
	}
	f.fs.open.Add(-1)
	f.fs.files.put(f.key)
}

// crowded says that there is no room for more open files than there are: the last descriptors are for those who only look.
func (fs *FS) crowded(more int64) bool {
	return fs.open.Load()+fs.locks.owners.Load()+more > int64(fs.maxOpen)
}

// addFile makes an open file of fd, which it takes over.
func (fs *FS) addFile(op *vfs.Op, fd int, n *inode, flags int) (vfs.Handle, vfs.Errno) {
	if fs.crowded(1) {
		unix.Close(fd)
		return 0, vfs.ENFILE
	}
	k, f := fs.files.alloc()
	if f == nil {
		unix.Close(fd)
		return 0, vfs.ENFILE
	}
	fs.open.Add(1)
	m := fs.mounts.get(n.mnt)
	f.fs, f.key, f.flags, f.conn = fs, k, flags, op.Conn()
	f.Init(fd)
	f.Closer, f.Pace, f.Nowait, f.Direct = f, &m.pace, m.nowait, flags&unix.O_DIRECT != 0
	return vfs.Handle(k), 0
}

// openFlags are the host's open flags for a client's, without those that make, cut or choose a file.
func (fs *FS) openFlags(op *vfs.Op, flags uint32) int {
	f := int(flags) & (unix.O_ACCMODE | unix.O_DSYNC | unix.O_SYNC | unix.O_DIRECT | unix.O_NOATIME | unix.O_LARGEFILE)
	if fs.opts.NoDirectIO {
		f &^= unix.O_DIRECT
	}
	if f&unix.O_ACCMODE == unix.O_ACCMODE { // neither reads nor writes, but may ioctl: the client's kernel asks no data by it
		f = f&^unix.O_ACCMODE | unix.O_RDWR
	}
	if op.Conn().Negotiated().Flags&abi.InitWritebackCache != 0 && f&unix.O_ACCMODE == unix.O_WRONLY {
		f = f&^unix.O_ACCMODE | unix.O_RDWR // the client's kernel reads what it overwrites in part
	}
	return f
}

// fopen is what the cache policy says of an open file. fd is -1 for a file that was just made.
func (fs *FS) fopen(op *vfs.Op, n *inode, fd int) uint32 {
	out := uint32(abi.FopenParallelDirectWrites)
	switch fs.opts.Cache {
	case CacheNever, CacheMetadata:
		out |= abi.FopenDirectIO
	case CacheAlways:
		out |= abi.FopenKeepCache
	case CacheAuto:
		if fd >= 0 && fs.unchanged(n, fd) {
			out |= abi.FopenKeepCache
		}
	}
	// FLUSH drops POSIX locks and brings delayed errors. Without the first, and on file systems without the second, it can stay away.
	if op.Conn().Negotiated().Flags&abi.InitPosixLocks == 0 && fs.mounts.get(n.mnt).pace.Class != vfs.PaceRemote {
		out |= abi.FopenNoflush
	}
	return out
}

// restless is how long after a change a file can change again without another time stamp: two of the host's slowest
// ticks.
const restless = 20 * time.Millisecond

// unchanged says whether a file is what it was when its one client opened it the last time, and notes what it is now.
func (fs *FS) unchanged(n *inode, fd int) bool {
	if fs.shared.Load() {
		return false
	}
	var st unix.Statx_t
	if statFD(fd, &st) != 0 {
		return false
	}
	if time.Since(time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec))) < restless {
		n.seen.Store(0)
		return false
	}
	now := version(&st)
	return n.seen.Swap(now) == now
}

// version is a digest of what changes with a file's contents, never 0.
func version(st *unix.Statx_t) uint64 {
	h := uint64(1)
	for _, v := range [...]uint64{uint64(st.Mtime.Sec), uint64(st.Mtime.Nsec), uint64(st.Ctime.Sec), uint64(st.Ctime.Nsec), st.Size} {
		h = (h ^ v) * 0x9E3779B97F4A7C15
		h ^= h >> 31
	}
	return h | 1
}

// Open opens a regular file.
func (fs *FS) Open(op *vfs.Op, k vfs.Key, in *abi.OpenIn, out *vfs.Opened) vfs.Errno {
	cut := int(in.Flags) & unix.O_TRUNC
	if op.Conn().Negotiated().Flags&abi.InitAtomicOTrunc == 0 {
		cut = 0 // the client's kernel cuts by SETATTR
	}
	if e := fs.rofs(); e != 0 && (cut != 0 || in.Flags&unix.O_ACCMODE != unix.O_RDONLY) {
		return e
	}
	if fs.opts.SealSize && cut != 0 {
		return vfs.EPERM
	}
	n := fs.node(k)
	if n.typ != unix.S_IFREG {
		return vfs.ENXIO
	}
	if cut != 0 && op.Nonblock() {
		return vfs.WouldBlock
	}
	start, e := fs.begin(op, n)
	if e != 0 {
		return e
	}
	flags := fs.openFlags(op, in.Flags)
	fd, e := fs.openFile(op, n, flags|cut, in)
	fs.end(n, start)
	if e != 0 {
		return e
	}
	keep := fd
	if cut != 0 {
		keep = -1
	}
	out.Flags = fs.fopen(op, n, keep)
	out.H, e = fs.addFile(op, fd, n, flags)
	return e
}

// openFile is open(2), under Nonblock without waiting for whoever has a lease on the file.
func (fs *FS) openFile(op *vfs.Op, n *inode, flags int, in *abi.OpenIn) (int, vfs.Errno) {
	if in.OpenFlags&abi.OpenKillSuidgid != 0 && flags&unix.O_TRUNC != 0 {
		dropped, e := fs.creds.dropFsetid(op)
		if e != 0 {
			return -1, e
		}
		defer fs.creds.restoreFsetid(op, dropped)
	}
	try := flags
	if op.Nonblock() {
		try |= unix.O_NONBLOCK
	}
	fd, e := fs.reopen(n, try)
	if e == vfs.EACCES && in.Flags&unix.O_ACCMODE == unix.O_WRONLY {
		fd, e = fs.reopen(n, try&^unix.O_ACCMODE|unix.O_WRONLY)
	}
	if !op.Nonblock() {
		return fd, e
	}
	if e == vfs.EAGAIN {
		return -1, vfs.WouldBlock
	}
	if e == 0 { // a ring would take it as a wish not to wait for the disk
		_, _, _ = unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFL, uintptr(flags))
	}
	return fd, e
}

// Release ends the handle; an extent that is still being read keeps the descriptor. Locks that were taken by the file
// end with it: those of an open file description (F_OFD_SETLK) are not told otherwise.
func (fs *FS) Release(f vfs.Open, _ uint32, _ uint64) {
	fs.locks.post(f.Node, lockPost{what: postFile, file: f.H})
	fs.files.get(uint64(f.H)).Put()
}
