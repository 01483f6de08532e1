//go:build linux

package passthrough

import (
	"fmt"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// FS is a host directory as a file system. All of its exported methods are vfs's.
type FS struct {
	opts     Options
	root     vfs.Key
	inodes   slab[inode]
	files    slab[file]
	shards   [64]shard
	mounts   mounts
	inos     inoMap
	locks    lockTable
	unopened nodeFiles
	attached atomic.Int32 // connections that live
	shared   atomic.Bool  // more than one client: what one has seen says nothing about another
	creds    creds
	handles  bool // open_by_handle_at is permitted
	fds      fdCache
	open     atomic.Int64 // open files and directories
	maxOpen  int
	lockFDs  int // descriptors for owners of locks
	bufs     dirBufs
	conn     atomic.Pointer[vfs.Conn]
}

// New opens dir. It raises RLIMIT_NOFILE to its hard limit and sets the process's umask to 0, for clients bring their own.
func New(dir string, o Options) (*FS, error) {
	o.resolve()
	fs := &FS{opts: o}
	fs.inos.raw = o.HostIno
	fs.mounts.byID = make(map[[2]uint64]uint32)
	limit := raiseFiles()
	fs.maxOpen = limit - min(64, limit/4)
	fs.lockFDs, fs.fds.budget = o.FDBudget, o.FDBudget
	if o.FDBudget <= 0 {
		fs.lockFDs = limit / 3
		fs.fds.budget = max(64, min(limit/3, defaultFDs))
	}
	syscall.Umask(0)
	fs.creds.init()
	fs.locks.init(fs)
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("passthrough: %s: %w", dir, err)
	}
	fs.handles = handlesPermitted(fd)
	var e vfs.Entry
	if errno := fs.enter(fd, 0, &e); errno != 0 {
		return nil, fmt.Errorf("passthrough: %s: %w", dir, errno)
	}
	fs.root = e.Key
	if n := fs.node(fs.root); o.InodeHandles == HandlesMandatory && n.hlen == 0 {
		fs.Forget(fs.root, 1)
		return nil, fmt.Errorf("%s: %w", dir, ErrNoHandles)
	}
	return fs, nil
}

// Root is the directory's key.
func (fs *FS) Root() vfs.Key { return fs.root }

// Inline: under op.Nonblock no method waits.
func (fs *FS) Inline() bool { return true }

// FarWrites: data goes from where the transport has it to the file.
func (fs *FS) FarWrites() bool { return true }

// Attach keeps the connection, for what was negotiated.
func (fs *FS) Attach(c *vfs.Conn) {
	fs.attached.Add(1)
	if fs.conn.Swap(c) != nil {
		fs.shared.Store(true)
	}
}

// Destroy ends what is left of the locks when the last connection has gone.
func (fs *FS) Destroy() {
	if fs.attached.Add(-1) <= 0 {
		fs.locks.stop()
	}
}

func raiseFiles() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 1024
	}
	if r.Cur < r.Max {
		up := unix.Rlimit{Cur: r.Max, Max: r.Max}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &up) == nil {
			r = up
		}
	}
	return int(min(r.Cur, 1<<20))
}

func handlesPermitted(fd int) bool {
	var h fileHandle
	if h.of(fd) != 0 {
		return true // decided mount by mount
	}
	m, e := openProc(fd, unix.O_RDONLY|unix.O_NONBLOCK)
	if e != 0 {
		return false
	}
	defer unix.Close(m)
	back, e := h.open(m, unix.O_PATH)
	if e == 0 {
		unix.Close(back)
	}
	return e != vfs.EPERM
}

// begin says whether a call on n's mount may run here; the time goes to end.
func (fs *FS) begin(op *vfs.Op, n *inode) (int64, vfs.Errno) {
	if !op.Nonblock() {
		return 0, 0
	}
	start, ok := fs.mounts.get(n.mnt).pace.Begin()
	if !ok {
		return 0, vfs.WouldBlock
	}
	return start, 0
}

func (fs *FS) end(n *inode, start int64) {
	if start != 0 {
		fs.mounts.get(n.mnt).pace.End(start)
	}
}

// rofs is the errno of every change on a read-only share.
func (fs *FS) rofs() vfs.Errno {
	if fs.opts.ReadOnly {
		return vfs.EROFS
	}
	return 0
}
