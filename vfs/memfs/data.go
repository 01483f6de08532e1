package memfs

import (
	"slices"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

const (
	openExcl   = 0o200
	openTrunc  = 0o1000
	openAppend = 0o2000
	copyMax    = 1 << 20 // copied at a time, so that a call stays short
)

// open opens a file. Preconditions: mu is held.
func (fs *FS) open(n *node, flags, openFlags uint32, out *vfs.Opened) vfs.Errno {
	switch n.attr.Mode & typeMask {
	case typeReg:
	case typeDir:
		return vfs.EISDIR
	case typeLink:
		return vfs.ELOOP
	default: // the kernel opens special files by itself
		return vfs.ENXIO
	}
	if flags&openTrunc != 0 {
		n.dropCaps()
		if openFlags&abi.OpenKillSuidgid != 0 {
			n.killPriv()
		}
		fs.truncate(n, 0)
		n.touch(true, true)
	}
	out.H = fs.opened()
	return vfs.OK
}

// opened names an open file: its locks know it. Preconditions: mu is held.
func (fs *FS) opened() vfs.Handle {
	fs.files++
	return fs.files
}

// Opendir opens a directory.
func (fs *FS) Opendir(_ *vfs.Op, k vfs.Key, _ *abi.OpenIn, _ *vfs.Opened) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if !fs.nodes[k].isDir() {
		return vfs.ENOTDIR
	}
	return vfs.OK
}

// Release closes a file. The locks that were set through it go: OFD locks, of whose end nothing else tells, and those of
// a connection that ends without unlocking.
func (fs *FS) Release(f vfs.Open, _ uint32, _ uint64) {
	fs.mu.Lock()
	s := &fs.nodes[f.Node].locks
	s.held = slices.DeleteFunc(s.held, func(h held) bool { return h.file == f.H })
	done := fs.wake(s)
	fs.mu.Unlock()
	grant(done)
}

// Open opens a file.
func (fs *FS) Open(_ *vfs.Op, k vfs.Key, in *abi.OpenIn, out *vfs.Opened) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	out.Flags = abi.FopenKeepCache | abi.FopenParallelDirectWrites
	return fs.open(fs.nodes[k], in.Flags, in.OpenFlags, out)
}

// Create makes and opens a file, or opens the one that is there.
func (fs *FS) Create(op *vfs.Op, dir vfs.Key, name vfs.Name, in *abi.CreateIn, e *vfs.Entry, o *vfs.Opened) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, errno := fs.create(op, dir, name, typeReg|in.Mode&0o7777&^in.Umask)
	if errno == vfs.EEXIST && in.Flags&openExcl == 0 {
		n, errno = fs.nodes[dir].names[string(name)].node, vfs.OK
	}
	if errno != vfs.OK {
		return errno
	}
	if errno = fs.open(n, in.Flags, in.OpenFlags, o); errno != vfs.OK {
		return errno
	}
	fs.entry(n, e)
	o.Flags = abi.FopenParallelDirectWrites
	return vfs.OK
}

// Tmpfile makes and opens a file without a name.
func (fs *FS) Tmpfile(op *vfs.Op, dir vfs.Key, in *abi.CreateIn, e *vfs.Entry, o *vfs.Opened) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if !fs.nodes[dir].isDir() {
		return vfs.ENOTDIR
	}
	n := fs.alloc(typeReg | in.Mode&0o7777&^in.Umask)
	if n == nil {
		return vfs.ENOSPC
	}
	fs.own(op, fs.nodes[dir], n)
	n.attr.Nlink = 0
	o.H = fs.opened()
	fs.entry(n, e)
	return vfs.OK
}

// Read copies into the reply's memory.
func (fs *FS) Read(op *vfs.Op, f vfs.Open, off int64, size int32, _ *abi.ReadIn) (vfs.Payload, vfs.Errno) {
	if fs.opts.OnRead != nil {
		fs.opts.OnRead()
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.nodes[f.Node]
	n.accessed()
	if uint64(off) >= n.attr.Size {
		return op.Bytes(nil), vfs.OK
	}
	b := op.Reply(int(min(uint64(size), n.attr.Size-uint64(off))))
	n.read(b, off)
	return op.Bytes(b), vfs.OK
}

// accessed sets atime to now where it says less than mtime, as relatime does.
func (n *node) accessed() {
	a := &n.attr
	if a.Atime < a.Mtime || a.Atime == a.Mtime && a.AtimeNsec <= a.MtimeNsec {
		a.Atime, a.AtimeNsec = now()
	}
}

func (n *node) read(b []byte, off int64) {
	for len(b) > 0 {
		i, at := off/pageSize, off%pageSize
		k := min(len(b), int(pageSize-at))
		if p := n.pages[i]; p != nil {
			copy(b[:k], p[at:])
		} else {
			clear(b[:k])
		}
		b, off = b[k:], off+int64(k)
	}
}

// write copies b in; it returns how many bytes there was room for.
func (fs *FS) write(n *node, b []byte, off int64) int {
	done := 0
	for done < len(b) {
		i, at := off/pageSize, off%pageSize
		p := n.pages[i]
		if p == nil {
			if fs.bytes+pageSize > fs.opts.Bytes {
				break
			}
			fs.bytes += pageSize
			p = new([pageSize]byte)
			if n.pages == nil {
				n.pages = make(map[int64]*[pageSize]byte)
			}
			n.pages[i] = p
		}
		k := copy(p[at:], b[done:])
		done, off = done+k, off+int64(k)
	}
	if done > 0 {
		n.attr.Size = max(n.attr.Size, uint64(off))
		n.touch(true, true)
	}
	return done
}

// Write copies out of the request's memory.
func (fs *FS) Write(op *vfs.Op, f vfs.Open, off int64, data []byte, in *abi.WriteIn) (vfs.Payload, vfs.Errno) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.nodes[f.Node]
	if in.Flags&openAppend != 0 && in.WriteFlags&abi.WriteCache == 0 {
		off = int64(n.attr.Size)
	}
	if off+int64(len(data)) > maxSize {
		return vfs.Payload{}, vfs.EFBIG
	}
	n.dropCaps()
	if in.WriteFlags&abi.WriteKillSuidgid != 0 {
		n.killPriv()
	}
	k := fs.write(n, data, off)
	if k == 0 && len(data) > 0 {
		return vfs.Payload{}, vfs.ENOSPC
	}
	return op.Count(k), vfs.OK
}

func (fs *FS) truncate(n *node, size uint64) {
	if size < n.attr.Size {
		fs.punch(n, int64(size), int64((n.attr.Size+pageSize-1)/pageSize*pageSize)) // what is cut off must not come back
	}
	n.attr.Size = size
}

// punch makes [from, to) read as zeros and frees whole pages.
func (fs *FS) punch(n *node, from, to int64) {
	first, last := from/pageSize, (to-1)/pageSize
	if from >= to {
		return
	}
	if last-first < int64(len(n.pages)) {
		for i := first; i <= last; i++ {
			fs.punchPage(n, i, from, to)
		}
		return
	}
	for i := range n.pages {
		fs.punchPage(n, i, from, to)
	}
}

// punchPage is punch for page i.
func (fs *FS) punchPage(n *node, i, from, to int64) {
	a, b := max(from, i*pageSize), min(to, (i+1)*pageSize)
	p := n.pages[i]
	switch {
	case a >= b || p == nil:
	case b-a == pageSize:
		delete(n.pages, i)
		fs.bytes -= pageSize
	default:
		clear(p[a-i*pageSize : b-i*pageSize])
	}
}

// Flush drops the locks of a process that closes the file.
func (fs *FS) Flush(_ *vfs.Op, f vfs.Open, in *abi.FlushIn) vfs.Errno {
	fs.mu.Lock()
	done := fs.unlockAll(fs.nodes[f.Node], in.LockOwner, false)
	fs.mu.Unlock()
	grant(done)
	return vfs.OK
}

// Fsync has nothing to do: memory is where it stays.
func (fs *FS) Fsync(*vfs.Op, vfs.Open, bool) vfs.Errno { return vfs.OK }

// Fsyncdir likewise.
func (fs *FS) Fsyncdir(*vfs.Op, vfs.Open, bool) vfs.Errno { return vfs.OK }
