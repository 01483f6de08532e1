package memfs

import (
	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// FALLOC_FL_*.
const (
	fallocKeep  = 1
	fallocPunch = 2
	fallocZero  = 0x10
)

// Fallocate reserves, punches or zeroes. A reservation is only looked at, whether there is room, and not kept.
func (fs *FS) Fallocate(op *vfs.Op, f vfs.Open, in *abi.FallocateIn) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.nodes[f.Node]
	end := in.Offset + in.Length
	if end > maxSize {
		return vfs.EFBIG
	}
	switch in.Mode {
	case 0, fallocKeep:
		if in.Length > uint64(fs.opts.Bytes-fs.bytes)+uint64(len(n.pages))*pageSize {
			return vfs.ENOSPC
		}
	case fallocPunch | fallocKeep, fallocZero, fallocZero | fallocKeep:
		fs.punch(n, int64(in.Offset), int64(min(end, n.attr.Size)))
	default:
		return vfs.EOPNOTSUPP
	}
	n.modifiedBy(op)
	if in.Mode&fallocKeep == 0 {
		n.attr.Size = max(n.attr.Size, end)
	}
	n.touch(true, true)
	return vfs.OK
}

// modifiedBy is for changes of data whose requests do not say whether they kill suid and sgid: root's don't.
func (n *node) modifiedBy(op *vfs.Op) {
	n.dropCaps()
	if op.UID != 0 {
		n.killPriv()
	}
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
func (fs *FS) CopyFileRange(op *vfs.Op, in vfs.Open, inOff int64, out vfs.Open, outOff int64, size, _ uint64, copied *uint64) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	a, b := fs.nodes[in.Node], fs.nodes[out.Node]
	if uint64(inOff) >= a.attr.Size {
		return vfs.OK
	}
	if outOff > maxSize-copyMax {
		return vfs.EFBIG
	}
	size = min(size, a.attr.Size-uint64(inOff), copyMax)
	if a == b && max(inOff, outOff) < min(inOff, outOff)+int64(size) {
		return vfs.EINVAL
	}
	buf := make([]byte, size)
	a.read(buf, inOff)
	b.modifiedBy(op)
	k := fs.write(b, buf, outOff)
	if k == 0 && size > 0 {
		return vfs.ENOSPC
	}
	*copied = uint64(k)
	return vfs.OK
}
