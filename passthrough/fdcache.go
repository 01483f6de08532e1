//go:build linux

package passthrough

import (
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// fdCache bounds the O_PATH descriptors of inodes that could be opened again by their handle: a clock. Descriptors of inodes
// without a handle are kept for life and are none of its business.
type fdCache struct {
	budget int
	n      atomic.Int64 // descriptors that it could close

	mu   sync.Mutex
	list []uint32 // inodes that had a descriptor when they were last looked at; guarded by mu
	hand int      // guarded by mu
}

// evicting is added to an inode's pins while its descriptor, or the whole inode, changes hands.
const evicting = -1 << 30

// tryLock keeps users of the descriptor and the clock's hand away. False: somebody uses it.
func (n *inode) tryLock() bool { return n.pins.CompareAndSwap(0, evicting) }

// lock waits for the clock's hand, which does not stay. There are no users: the inode is entered or forgotten.
func (n *inode) lock() {
	for !n.tryLock() {
		runtime.Gosched()
	}
}

func (n *inode) unlock() { n.pins.Add(-evicting) }

// hold gives the inode's O_PATH descriptor, opened again by its handle if it was evicted; unhold ends its use.
func (fs *FS) hold(n *inode) (int, vfs.Errno) {
	for n.pins.Add(1) < 0 { // it is being evicted at this moment
		n.pins.Add(-1)
		runtime.Gosched()
	}
	if fd := n.fd.Load(); fd >= 0 {
		if n.use.Load()&useHot == 0 {
			n.use.Or(useHot)
		}
		return int(fd), 0
	}
	fd, e := fs.openHandle(n, unix.O_PATH|unix.O_NOFOLLOW)
	if e != 0 {
		n.pins.Add(-1)
		return -1, e
	}
	if !n.fd.CompareAndSwap(-1, int32(fd)) { // somebody else was quicker
		unix.Close(fd)
		return int(n.fd.Load()), 0
	}
	n.use.Or(useHot)
	fs.grown(n)
	return fd, 0
}

func (fs *FS) unhold(n *inode) { n.pins.Add(-1) }

// grown notes that n, which has a handle, has got a descriptor, and evicts others if there are too many.
func (fs *FS) grown(n *inode) {
	c := &fs.fds
	over := c.n.Add(1) > int64(c.budget)
	c.mu.Lock()
	if !n.listed {
		n.listed = true
		c.list = append(c.list, n.key)
	}
	c.mu.Unlock()
	if over {
		fs.evict(c.budget/16 + 1)
	}
}

// evictMax is how many descriptors one call of evict closes at most.
const evictMax = 64

// evict closes up to want descriptors of inodes that have a handle and are not in use, those that were not used lately
// first. It returns how many it closed.
func (fs *FS) evict(want int) int {
	var out [evictMax]int32
	done := fs.fds.take(&fs.inodes, out[:min(want, evictMax)])
	for _, fd := range out[:done] {
		unix.Close(int(fd))
	}
	return done
}

// take fills out with descriptors that are nobody's any more.
func (c *fdCache) take(inodes *slab[inode], out []int32) (done int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for left := 2 * len(c.list); left > 0 && done < len(out) && len(c.list) > 0; left-- {
		if c.hand >= len(c.list) {
			c.hand = 0
		}
		n := inodes.get(uint64(c.list[c.hand]))
		if !n.tryLock() {
			c.hand++
			continue
		}
		fd := n.fd.Load()
		switch {
		case fd < 0 || n.hlen == 0: // forgotten, and perhaps entered again
			c.unlist(n)
		case n.use.Load()&useKept != 0 || n.use.And(^uint32(useHot))&useHot != 0:
			c.hand++
		default:
			n.fd.Store(-1)
			c.n.Add(-1)
			out[done] = fd
			done++
			c.unlist(n)
		}
		n.unlock()
	}
	return done
}

// unlist takes the inode at the hand off the list. Precondition: c.mu is held.
func (c *fdCache) unlist(n *inode) {
	n.listed = false
	last := len(c.list) - 1
	c.list[c.hand] = c.list[last]
	c.list = c.list[:last]
}

// dropFD closes what a forgotten inode has. Precondition: n is locked.
func (fs *FS) dropFD(n *inode) {
	fd := n.fd.Swap(-1)
	if fd < 0 {
		return
	}
	unix.Close(int(fd))
	if n.hlen != 0 {
		fs.fds.n.Add(-1)
	}
}
