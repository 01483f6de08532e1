// Package memfs is a file system in memory: the example of a back-end that implements everything, and the one that tests use.
//
// It is Inline: each method takes one short mutex and never waits. Keys are indices into a slice; a node is freed when it has
// neither a name nor a reference. Handles carry no state: a directory's cookies are the sequence numbers of its
// entries, which stay valid while the directory changes.
//
// memfs imports vfs and abi only.
package memfs

import (
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// File types and permission bits of st_mode.
const (
	typeMask  = 0o170000
	typeDir   = 0o040000
	typeReg   = 0o100000
	typeLink  = 0o120000
	typeFifo  = 0o010000
	typeChar  = 0o020000
	typeBlock = 0o060000
	typeSock  = 0o140000
	setUID    = 0o4000
	setGID    = 0o2000
	groupX    = 0o010
)

const (
	pageSize = 4096
	maxSize  = 1 << 62 // of a file, bytes: page arithmetic does not overflow
)

// Options limit what is kept.
type Options struct {
	Bytes  int64         // data, in whole pages; 0: 1 GiB
	Nodes  int           // files and directories; 0: 1 million
	TTL    time.Duration // how long the kernel may keep names and attributes; 0: a second
	OnRead func()        // tests and benchmarks: called in each READ, without a lock
}

// FS is the file system.
type FS struct {
	opts Options

	mu    sync.Mutex
	nodes []*node            // guarded by mu; index: key
	free  []vfs.Key          // guarded by mu
	bytes int64              // guarded by mu; pages in use
	live  int                // guarded by mu; nodes in use
	files vfs.Handle         // guarded by mu; opened so far
	waits map[vfs.Token]wait // guarded by mu; lock requests that are Pending
}

// node is a file, directory, symlink or special file. All of it is guarded by FS.mu.
type node struct {
	key    vfs.Key
	attr   abi.Attr
	refs   uint64 // Entries handed out and not given back
	parent *node  // directories
	names  map[string]*dirent
	list   []*dirent // by seq; some may be removed
	gone   int       // of list: removed
	seq    uint64
	target string
	pages  map[int64]*[pageSize]byte
	xattrs map[string][]byte
	locks  locks
}

type dirent struct {
	seq  uint64
	name string
	node *node // nil: removed
}

// New makes an empty file system whose root belongs to the caller of New's process with mode 0755.
func New(o Options) *FS {
	if o.Bytes == 0 {
		o.Bytes = 1 << 30
	}
	if o.Nodes == 0 {
		o.Nodes = 1 << 20
	}
	if o.TTL == 0 {
		o.TTL = time.Second
	}
	fs := &FS{opts: o, nodes: make([]*node, 1), waits: make(map[vfs.Token]wait)}
	root := fs.alloc(typeDir | 0o755)
	root.parent, root.attr.Nlink, root.refs = root, 2, 1
	return fs
}

// Root carries one reference.
func (fs *FS) Root() vfs.Key { return 1 }

// Inline: no method waits.
func (fs *FS) Inline() bool { return true }

// SetRoot sets the root's owner and permission bits.
func (fs *FS) SetRoot(uid, gid, mode uint32) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	a := &fs.nodes[1].attr
	a.UID, a.GID, a.Mode = uid, gid, typeDir|mode&0o7777
}

func now() (uint64, uint32) {
	t := time.Now()
	return uint64(t.Unix()), uint32(t.Nanosecond())
}

// alloc makes a node; nil: there are too many.
func (fs *FS) alloc(mode uint32) *node {
	if fs.live >= fs.opts.Nodes {
		return nil
	}
	fs.live++
	n := &node{attr: abi.Attr{Mode: mode, Nlink: 1, Blksize: pageSize}}
	if k := len(fs.free); k > 0 {
		n.key = fs.free[k-1]
		fs.free = fs.free[:k-1]
		fs.nodes[n.key] = n
	} else {
		n.key = vfs.Key(len(fs.nodes))
		fs.nodes = append(fs.nodes, n)
	}
	n.attr.Ino = uint64(n.key)
	if mode&typeMask == typeDir {
		n.names = make(map[string]*dirent)
		n.attr.Nlink = 2
	}
	n.touch(true, true)
	n.attr.Atime, n.attr.AtimeNsec = n.attr.Mtime, n.attr.MtimeNsec
	return n
}

// drop frees a node that has neither a name nor a reference.
func (fs *FS) drop(n *node) {
	if n.attr.Nlink > 0 || n.refs > 0 {
		return
	}
	fs.bytes -= int64(len(n.pages)) * pageSize
	fs.nodes[n.key] = nil
	fs.free = append(fs.free, n.key)
	fs.live--
}

// touch sets mtime and ctime to now.
func (n *node) touch(m, c bool) {
	s, ns := now()
	if m {
		n.attr.Mtime, n.attr.MtimeNsec = s, ns
	}
	if c {
		n.attr.Ctime, n.attr.CtimeNsec = s, ns
	}
}

func (n *node) isDir() bool { return n.attr.Mode&typeMask == typeDir }

// Forget gives references back.
func (fs *FS) Forget(k vfs.Key, refs uint64) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.nodes[k]
	n.refs -= refs
	fs.drop(n)
}

// Retain takes one more.
func (fs *FS) Retain(k vfs.Key) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.nodes[k].refs++
}

func (fs *FS) stat(n *node, out *vfs.Stat) {
	out.TTL = fs.opts.TTL
	out.Attr = n.attr
	out.Attr.Blocks = uint64(len(n.pages)) * pageSize / 512
}

// entry hands a node out.
func (fs *FS) entry(n *node, out *vfs.Entry) {
	n.refs++
	out.Key, out.EntryTTL = n.key, fs.opts.TTL
	fs.stat(n, &out.Stat)
}

// Getattr reads attributes.
func (fs *FS) Getattr(_ *vfs.Op, k vfs.Key, _ *vfs.Open, out *vfs.Stat) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.stat(fs.nodes[k], out)
	return vfs.OK
}

// killPriv takes suid and sgid away, as a write by a stranger and a change of owner do.
func (n *node) killPriv() {
	if n.isDir() {
		return
	}
	n.attr.Mode &^= setUID
	if n.attr.Mode&groupX != 0 {
		n.attr.Mode &^= setGID
	}
}

// dropCaps takes file capabilities away, as any change of data or owner does.
func (n *node) dropCaps() { delete(n.xattrs, "security.capability") }

// Setattr changes attributes.
func (fs *FS) Setattr(_ *vfs.Op, k vfs.Key, _ *vfs.Open, in *abi.SetattrIn, out *vfs.Stat) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.nodes[k]
	if in.Valid&abi.FattrSize != 0 {
		switch {
		case n.isDir():
			return vfs.EISDIR
		case n.attr.Mode&typeMask != typeReg:
			return vfs.EINVAL
		case in.Size > maxSize:
			return vfs.EFBIG
		}
		n.dropCaps()
		if in.Valid&abi.FattrKillSuidgid != 0 {
			n.killPriv()
		}
		fs.truncate(n, in.Size)
		n.touch(true, false)
	}
	if in.Valid&(abi.FattrUID|abi.FattrGID) != 0 {
		n.killPriv()
		n.dropCaps()
	}
	if in.Valid&abi.FattrUID != 0 {
		n.attr.UID = in.UID
	}
	if in.Valid&abi.FattrGID != 0 {
		n.attr.GID = in.GID
	}
	if in.Valid&abi.FattrMode != 0 {
		n.attr.Mode = n.attr.Mode&typeMask | in.Mode&0o7777
	}
	s, ns := now()
	if in.Valid&abi.FattrAtime != 0 {
		if n.attr.Atime, n.attr.AtimeNsec = in.Atime, in.AtimeNsec; in.Valid&abi.FattrAtimeNow != 0 {
			n.attr.Atime, n.attr.AtimeNsec = s, ns
		}
	}
	if in.Valid&abi.FattrMtime != 0 {
		if n.attr.Mtime, n.attr.MtimeNsec = in.Mtime, in.MtimeNsec; in.Valid&abi.FattrMtimeNow != 0 {
			n.attr.Mtime, n.attr.MtimeNsec = s, ns
		}
	}
	if n.touch(false, true); in.Valid&abi.FattrCtime != 0 {
		n.attr.Ctime, n.attr.CtimeNsec = in.Ctime, in.CtimeNsec
	}
	fs.stat(n, out)
	return vfs.OK
}

// Statfs says how much room there is.
func (fs *FS) Statfs(_ *vfs.Op, _ vfs.Key, out *abi.Kstatfs) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	free := uint64(fs.opts.Bytes-fs.bytes) / pageSize
	*out = abi.Kstatfs{
		Blocks: uint64(fs.opts.Bytes) / pageSize, Bfree: free, Bavail: free, Files: uint64(fs.opts.Nodes),
		Ffree: uint64(fs.opts.Nodes - fs.live), Bsize: pageSize, Frsize: pageSize, Namelen: vfs.NameMax,
	}
	return vfs.OK
}

// find is the index of the first entry behind a cookie.
func (n *node) find(cookie uint64) int {
	return sort.Search(len(n.list), func(i int) bool { return n.list[i].seq > cookie })
}

func (n *node) add(name string, child *node) {
	n.seq++
	d := &dirent{n.seq + cookieFirst, name, child}
	n.names[name] = d
	n.list = append(n.list, d)
	n.touch(true, true)
}

func (n *node) remove(d *dirent) {
	delete(n.names, d.name)
	d.node = nil
	if n.gone++; n.gone > len(n.names) { // now and then, so that one removal does not move a long list
		n.list = slices.DeleteFunc(n.list, func(d *dirent) bool { return d.node == nil })
		n.gone = 0
	}
	n.touch(true, true)
}
