package memfs

import (
	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

const (
	openTrunc  = 0o1000
	openAppend = 0o2000
	copyMax    = 1 << 20 // copied at a time, so that a call stays short
)

// Open opens a file.
func (fs *FS) Open(_ *vfs.Op, k vfs.Key, in *abi.OpenIn, out *vfs.Opened) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.nodes[k]
	if in.Flags&openTrunc != 0 {
		fs.truncate(n, 0)
		n.touch(true, true)
	}
	out.Flags = abi.FopenKeepCache | abi.FopenParallelDirectWrites
	return vfs.OK
}

// Create makes and opens a file.
func (fs *FS) Create(op *vfs.Op, dir vfs.Key, name vfs.Name, in *abi.CreateIn, e *vfs.Entry, o *vfs.Opened) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, errno := fs.create(op, dir, name, typeReg|in.Mode&0o7777)
	if errno != vfs.OK {
		return errno
	}
	fs.entry(n, e)
	o.Flags = abi.FopenParallelDirectWrites
	return vfs.OK
}

// Tmpfile makes and opens a file without a name.
func (fs *FS) Tmpfile(op *vfs.Op, dir vfs.Key, in *abi.CreateIn, e *vfs.Entry, _ *vfs.Opened) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.alloc(typeReg | in.Mode&0o7777)
	if n == nil {
		return vfs.ENOSPC
	}
	fs.own(op, fs.nodes[dir], n)
	n.attr.Nlink = 0
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
	if uint64(off) >= n.attr.Size {
		return op.Bytes(nil), vfs.OK
	}
	b := op.Reply(int(min(uint64(size), n.attr.Size-uint64(off))))
	n.read(b, off)
	return op.Bytes(b), vfs.OK
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
		fs.punch(n, int64(size), int64((n.attr.Size+pageSize-1)/pageSize*pageSize))
	}
	n.attr.Size = size
}

// punch makes [from, to) read as zeros and frees whole pages.
func (fs *FS) punch(n *node, from, to int64) {
	for i, p := range n.pages {
		a, b := max(from, i*pageSize), min(to, (i+1)*pageSize)
		switch {
		case a >= b:
		case b-a == pageSize:
			delete(n.pages, i)
			fs.bytes -= pageSize
		default:
			clear(p[a-i*pageSize : b-i*pageSize])
		}
	}
}

// FALLOC_FL_*.
const (
	fallocKeep  = 1
	fallocPunch = 2
	fallocZero  = 0x10
)

// Fallocate reserves, punches or zeroes; what is reserved is not taken out of the free space.
func (fs *FS) Fallocate(_ *vfs.Op, f vfs.Open, in *abi.FallocateIn) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.nodes[f.Node]
	end := in.Offset + in.Length
	switch in.Mode &^ fallocKeep {
	case 0:
	case fallocPunch, fallocZero:
		fs.punch(n, int64(in.Offset), int64(min(end, n.attr.Size)))
	default:
		return vfs.EOPNOTSUPP
	}
	if in.Mode&fallocKeep == 0 {
		n.attr.Size = max(n.attr.Size, end)
	}
	n.touch(true, true)
	return vfs.OK
}

// SEEK_*.
const (
	seekData = 3
	seekHole = 4
)

// Lseek finds data and holes.
func (fs *FS) Lseek(_ *vfs.Op, f vfs.Open, off int64, whence uint32, out *int64) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.nodes[f.Node]
	if whence != seekData && whence != seekHole {
		return vfs.EINVAL
	}
	size := int64(n.attr.Size)
	if off < 0 || off >= size {
		return vfs.ENXIO
	}
	if whence == seekHole {
		for off < size && n.pages[off/pageSize] != nil {
			off = (off/pageSize + 1) * pageSize
		}
		*out = min(off, size)
		return vfs.OK
	}
	next := size
	for i := range n.pages {
		if at := max(i*pageSize, off); (i+1)*pageSize > off {
			next = min(next, at)
		}
	}
	if next >= size {
		return vfs.ENXIO
	}
	*out = next
	return vfs.OK
}

// CopyFileRange copies up to a megabyte.
func (fs *FS) CopyFileRange(_ *vfs.Op, in vfs.Open, inOff int64, out vfs.Open, outOff int64, size, _ uint64, copied *uint64) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	a, b := fs.nodes[in.Node], fs.nodes[out.Node]
	if uint64(inOff) >= a.attr.Size {
		return vfs.OK
	}
	size = min(size, a.attr.Size-uint64(inOff), copyMax)
	if a == b && max(inOff, outOff) < min(inOff, outOff)+int64(size) {
		return vfs.EINVAL
	}
	buf := make([]byte, size)
	a.read(buf, inOff)
	k := fs.write(b, buf, outOff)
	if k == 0 && size > 0 {
		return vfs.ENOSPC
	}
	*copied = uint64(k)
	return vfs.OK
}

// Flush drops the locks of a process that closes the file.
func (fs *FS) Flush(_ *vfs.Op, f vfs.Open, in *abi.FlushIn) vfs.Errno {
	fs.mu.Lock()
	n := fs.nodes[f.Node]
	done := n.locks.drop(in.LockOwner, false)
	fs.mu.Unlock()
	grant(done)
	return vfs.OK
}

// Fsync has nothing to do: memory is where it stays.
func (fs *FS) Fsync(*vfs.Op, vfs.Open, bool) vfs.Errno { return vfs.OK }

// Fsyncdir likewise.
func (fs *FS) Fsyncdir(*vfs.Op, vfs.Open, bool) vfs.Errno { return vfs.OK }
