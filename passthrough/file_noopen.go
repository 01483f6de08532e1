//go:build linux

package passthrough

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// nodeFiles are open files of clients whose kernel leaves OPEN out: a small cache, by node. Each has one reference of the
// cache's and one of each user's.
type nodeFiles struct {
	n    atomic.Int32 // len(m)
	mu   sync.Mutex
	m    map[vfs.Key]*file // guarded by mu
	ring []vfs.Key         // in order of entry; guarded by mu
}

// nodeFilesMax bounds the cache, and so the descriptors that it holds.
const nodeFilesMax = 256

// use is the open file of a request. One without a handle comes from the cache and is opened there; unuse ends both.
func (fs *FS) use(op *vfs.Op, f vfs.Open, write bool) (*file, vfs.Errno) {
	if f.H != 0 {
		return fs.files.get(uint64(f.H)), 0
	}
	c := &fs.unopened
	c.mu.Lock()
	x := c.m[f.Node]
	if x != nil && (!write || x.flags&unix.O_ACCMODE != unix.O_RDONLY) {
		x.Get()
		c.mu.Unlock()
		return x, 0
	}
	c.mu.Unlock()
	return fs.openNode(op, f.Node, write)
}

func (fs *FS) unuse(f vfs.Open, x *file) {
	if f.H == 0 {
		x.Put()
	}
}

// openNode opens a node for the cache and its first user.
func (fs *FS) openNode(op *vfs.Op, k vfs.Key, write bool) (*file, vfs.Errno) {
	if op.Nonblock() {
		return nil, vfs.WouldBlock
	}
	n := fs.node(k)
	flags := unix.O_RDWR
	if n.typ == unix.S_IFDIR {
		flags = unix.O_RDONLY | unix.O_DIRECTORY
	} else if fs.opts.ReadOnly {
		flags = unix.O_RDONLY
	}
	fd, e := fs.reopen(n, flags)
	if e != 0 && flags == unix.O_RDWR && !write { // a running program, a file without the right to write
		flags = unix.O_RDONLY
		fd, e = fs.reopen(n, flags)
	}
	if e != 0 {
		return nil, e
	}
	h, e := fs.addFile(op, fd, n, flags)
	if e != 0 {
		return nil, e
	}
	x := fs.files.get(uint64(h))
	x.Get() // the user's; the first one is the cache's
	for _, old := range fs.unopened.add(k, x) {
		old.Put()
	}
	return x, 0
}

// add enters x and gives those that it displaces.
func (c *nodeFiles) add(k vfs.Key, x *file) (out []*file) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[vfs.Key]*file)
	}
	if old := c.m[k]; old != nil {
		out = append(out, old)
		c.m[k] = x
		return out
	}
	c.m[k] = x
	c.n.Add(1)
	c.ring = append(c.ring, k)
	for len(c.ring) > nodeFilesMax {
		first := c.ring[0]
		c.ring = c.ring[1:]
		if old := c.m[first]; old != nil {
			delete(c.m, first)
			c.n.Add(-1)
			out = append(out, old)
		}
	}
	return out
}

// drop closes what the cache has of a node that is forgotten.
func (c *nodeFiles) drop(k vfs.Key) {
	if c.n.Load() == 0 {
		return
	}
	c.mu.Lock()
	x := c.m[k]
	if x != nil {
		delete(c.m, k)
		c.n.Add(-1)
		for i, r := range c.ring {
			if r == k {
				c.ring = append(c.ring[:i], c.ring[i+1:]...)
				break
			}
		}
	}
	c.mu.Unlock()
	if x != nil {
		x.Put()
	}
}
