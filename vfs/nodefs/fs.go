package nodefs

import (
	"sync"
	"time"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// Options of a file system. The zero value is good.
type Options struct {
	// TTL is how long the kernel may keep names and attributes. 0: it asks every time, so that what the program changes
	// is seen at once.
	TTL time.Duration
	// ReadOnly answers every change with EROFS.
	ReadOnly bool
	// OnError hears of errors that have no errno and went to the caller as EIO. Any goroutine.
	OnError func(op abi.Opcode, err error)
}

// FS is a back-end made of nodes. Hand it to a mount.
type FS struct {
	o    Options
	made time.Time

	mu      sync.Mutex
	inodes  map[vfs.Key]*inode     // guarded by mu
	keys    map[Node]vfs.Key       // guarded by mu
	lastKey vfs.Key                // guarded by mu
	handles map[vfs.Handle]*handle // guarded by mu
	lastH   vfs.Handle             // guarded by mu
}

// inode is a node that the kernel knows.
type inode struct {
	node Node
	refs uint64 // guarded by FS.mu
}

// rootKey is the root's for ever.
const rootKey vfs.Key = 1

// New makes a back-end of the tree below root.
func New(root Node, o Options) *FS {
	f := &FS{
		o: o, made: time.Now(), inodes: map[vfs.Key]*inode{}, keys: map[Node]vfs.Key{}, handles: map[vfs.Handle]*handle{},
	}
	f.ref(root)
	return f
}

// Root carries one reference.
func (f *FS) Root() vfs.Key { return rootKey }

// ref takes one reference of a node.
func (f *FS) ref(n Node) vfs.Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, ok := f.keys[n]
	if !ok {
		f.lastKey++
		k = f.lastKey
		f.keys[n] = k
		f.inodes[k] = &inode{node: n}
	}
	f.inodes[k].refs++
	return k
}

// Forget gives references back.
func (f *FS) Forget(k vfs.Key, refs uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.inodes[k]
	if i.refs -= refs; i.refs == 0 && k != rootKey {
		delete(f.keys, i.node)
		delete(f.inodes, k)
	}
}

// Retain takes one more.
func (f *FS) Retain(k vfs.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inodes[k].refs++
}

func (f *FS) node(k vfs.Key) Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inodes[k].node
}

// attr asks a node, or guesses from what it can do.
func (f *FS) attr(op *vfs.Op, n Node) (Attr, error) {
	if x, ok := n.(Getattrer); ok {
		return x.Getattr(contextOf(op))
	}
	return Attr{Mode: kind(n)}, nil
}

func (f *FS) stat(op *vfs.Op, n Node, k vfs.Key, out *vfs.Stat) vfs.Errno {
	a, err := f.attr(op, n)
	if err != nil {
		return f.errno(op, err)
	}
	out.TTL = f.o.TTL
	out.Attr = a.wire(uint64(k), f.made)
	return vfs.OK
}

// entry hands a node out; it takes a reference only with OK.
func (f *FS) entry(op *vfs.Op, n Node, out *vfs.Entry) vfs.Errno {
	k := f.ref(n)
	if e := f.stat(op, n, k, &out.Stat); e != vfs.OK {
		f.Forget(k, 1)
		return e
	}
	out.Key, out.EntryTTL = k, f.o.TTL
	return vfs.OK
}

// Getattr reads attributes.
func (f *FS) Getattr(op *vfs.Op, k vfs.Key, _ *vfs.Open, out *vfs.Stat) vfs.Errno {
	return f.stat(op, f.node(k), k, out)
}

// Setattr changes attributes.
func (f *FS) Setattr(op *vfs.Op, k vfs.Key, _ *vfs.Open, in *abi.SetattrIn, out *vfs.Stat) vfs.Errno {
	n := f.node(k)
	if f.o.ReadOnly {
		return vfs.EROFS
	}
	x, ok := n.(Setattrer)
	if !ok {
		return vfs.EPERM
	}
	if err := x.Setattr(contextOf(op), change(in)); err != nil {
		return f.errno(op, err)
	}
	return f.stat(op, n, k, out)
}

// Statfs asks the root.
func (f *FS) Statfs(op *vfs.Op, _ vfs.Key, out *abi.Kstatfs) vfs.Errno {
	x, ok := f.node(rootKey).(Statfser)
	if !ok {
		return vfs.OK
	}
	s, err := x.Statfs(contextOf(op))
	if err != nil {
		return f.errno(op, err)
	}
	const block = 4096
	*out = abi.Kstatfs{
		Blocks: s.Bytes / block, Bfree: s.Free / block, Bavail: s.Free / block, Files: s.Files, Ffree: s.FilesFree,
		Bsize: block, Frsize: block, Namelen: vfs.NameMax,
	}
	return vfs.OK
}
