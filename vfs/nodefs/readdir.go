package nodefs

import (
	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// unknownIno is the number of an entry whose number nobody knows; 0 would hide it from programs.
const unknownIno = 0xffffffff

// dots is how many cookies "." and ".." take.
const dots = 2

// Opendir opens a directory.
func (f *FS) Opendir(op *vfs.Op, k vfs.Key, _ *abi.OpenIn, out *vfs.Opened) vfs.Errno {
	n := f.node(k)
	if !f.isDir(op, n) {
		return vfs.ENOTDIR
	}
	out.H = f.addHandle(&handle{dir: n})
	return vfs.OK
}

// Readdir lists the snapshot of the handle; one is taken at the first call and after a rewind.
func (f *FS) Readdir(op *vfs.Op, o vfs.Open, off uint64, plus bool, to vfs.DirSink) vfs.Errno {
	h := f.handle(o)
	if h == nil {
		return vfs.EBADF
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if off == 0 || !h.read {
		h.list = nil
		if x, ok := h.dir.(Readdirer); ok {
			list, err := x.Readdir(contextOf(op))
			if err != nil {
				return f.errno(op, err)
			}
			h.list = list
		}
		h.read = true
	}
	for i := off; i < uint64(len(h.list))+dots; i++ {
		if !f.addEntry(op, h, o.Node, i, plus, to) {
			break
		}
	}
	return vfs.OK
}

// addEntry gives the i-th entry, dots included, to the sink; false: it is full. Preconditions: h.mu is held.
func (f *FS) addEntry(op *vfs.Op, h *handle, dir vfs.Key, i uint64, plus bool, to vfs.DirSink) bool {
	switch i {
	case 0:
		return to.Add(op, op.TempName("."), 1, inoOf(h.dir, uint64(dir)), unixDir>>12, nil)
	case 1:
		up := uint64(unknownIno)
		if d, ok := h.dir.(*Dir); ok {
			up = d.parentIno()
		}
		return to.Add(op, op.TempName(".."), 2, up, unixDir>>12, nil)
	}
	d := &h.list[i-dots]
	if !to.Room(len(d.Name)) {
		return false
	}
	ino, typ := d.Ino, unixMode(d.Mode)>>12
	if ino == 0 {
		ino = inoOf(d.Node, unknownIno)
	}
	if !plus {
		return to.Add(op, op.TempName(d.Name), i+1, ino, typ, nil)
	}
	e := op.Scratch()
	defer op.Unscratch()
	if f.listed(op, h.dir, d, e) != vfs.OK { // it is gone, or keeps itself hidden: the name alone
		return to.Add(op, op.TempName(d.Name), i+1, ino, typ, nil)
	}
	return to.Add(op, op.TempName(d.Name), i+1, e.Stat.Attr.Ino, e.Stat.Attr.Mode>>12, e)
}

// listed finds the node of a listed name.
func (f *FS) listed(op *vfs.Op, dir Node, d *DirEntry, out *vfs.Entry) vfs.Errno {
	if d.Node != nil {
		return f.entry(op, d.Node, out)
	}
	x, ok := dir.(Lookuper)
	if !ok {
		return vfs.ENOENT
	}
	n, err := x.Lookup(contextOf(op), d.Name)
	if err != nil || n == nil {
		return vfs.ENOENT
	}
	return f.entry(op, n, out)
}

// inoOf is the number that a ready-made node has, or other.
func inoOf(n Node, other uint64) uint64 {
	if m, ok := n.(interface{ inode() uint64 }); ok {
		return m.inode()
	}
	return other
}
