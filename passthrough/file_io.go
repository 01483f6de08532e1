//go:build linux

package passthrough

import (
	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// Read names the range; the engine reads it.
func (fs *FS) Read(op *vfs.Op, f vfs.Open, off int64, n int32, in *abi.ReadIn) (vfs.Payload, vfs.Errno) {
	x, e := fs.use(op, f, false)
	if e != 0 {
		return vfs.Payload{}, e
	}
	h := &x.File
	if h.Direct && in.Flags&unix.O_DIRECT == 0 {
		if h, e = fs.undirect(op, f, x); e != 0 {
			return vfs.Payload{}, e
		}
	}
	p := op.Extent(h, off, n)
	fs.unuse(f, x)
	return p, 0
}

// Write names the range; the engine writes it. A write that the client's kernel wants to take suid and sgid away is done here,
// without the right to keep them.
func (fs *FS) Write(op *vfs.Op, f vfs.Open, off int64, data []byte, in *abi.WriteIn) (vfs.Payload, vfs.Errno) {
	if e := fs.rofs(); e != 0 {
		return vfs.Payload{}, e
	}
	x, e := fs.use(op, f, true)
	if e != 0 {
		return vfs.Payload{}, e
	}
	p, e := fs.write(op, f, x, off, data, in)
	fs.unuse(f, x)
	return p, e
}

func (fs *FS) write(op *vfs.Op, f vfs.Open, x *file, off int64, data []byte, in *abi.WriteIn) (vfs.Payload, vfs.Errno) {
	delayed := in.WriteFlags&abi.WriteCache != 0 // a page; by whose file says nothing
	kill := in.WriteFlags&abi.WriteKillSuidgid != 0
	rwf := uint32(0)
	if in.Flags&unix.O_APPEND != 0 && !delayed && op.Conn().Negotiated().Flags&abi.InitWritebackCache == 0 {
		rwf = unix.RWF_APPEND
	}
	if (kill || fs.opts.SealSize) && op.Nonblock() {
		if _, ok := x.Pace.Begin(); !ok { // the file is looked at first
			return vfs.Payload{}, vfs.WouldBlock
		}
	}
	if fs.opts.SealSize {
		if e := x.inside(off, int64(len(data)), rwf != 0); e != 0 {
			return vfs.Payload{}, e
		}
	}
	h := &x.File
	if h.Direct && (delayed || in.Flags&unix.O_DIRECT == 0) {
		var e vfs.Errno
		if h, e = fs.undirect(op, f, x); e != 0 {
			return vfs.Payload{}, e
		}
	}
	if kill && suid(int(h.FD)) {
		if op.Nonblock() {
			return vfs.Payload{}, vfs.WouldBlock
		}
		return fs.writeKill(op, int(h.FD), off, op.Data(), rwf)
	}
	p := op.Extent(h, off, int32(len(data)))
	p.RWF = rwf
	return p, 0
}

// undirect is a file's descriptor without O_DIRECT: for pages of the client's cache, whose ends lie anywhere, and for a
// client that has switched the flag off.
func (fs *FS) undirect(op *vfs.Op, o vfs.Open, f *file) (*vfs.File, vfs.Errno) {
	if b := f.buffered.Load(); b != nil {
		return b, 0
	}
	if op.Nonblock() {
		return nil, vfs.WouldBlock
	}
	if fs.crowded(1) {
		return nil, vfs.ENFILE
	}
	fd, e := fs.reopen(fs.node(o.Node), f.flags&^unix.O_DIRECT)
	if e != 0 {
		return nil, e
	}
	b := vfs.NewFile(fd)
	b.Nowait, b.Pace = f.Nowait, f.Pace
	if !f.buffered.CompareAndSwap(nil, b) { // another thread was quicker
		b.Put()
		b = f.buffered.Load()
	}
	return b, 0
}

// inside is EPERM for a range that would make the file longer.
func (f *file) inside(off, n int64, appends bool) vfs.Errno {
	var st unix.Statx_t
	if e := statFD(int(f.FD), &st); e != 0 {
		return e
	}
	if appends && n > 0 || off < 0 || uint64(off)+uint64(n) > st.Size {
		return vfs.EPERM
	}
	return 0
}
