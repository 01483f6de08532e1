package nodefs

import (
	"errors"
	"io"
	"sync"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// Flags of open(2) and renameat2(2), Linux's numbers on every system.
const (
	openWrite       = 1
	openAccess      = 3
	openExcl        = 0o200
	renameNoReplace = 1
	renameExchange  = 2
)

// handle is an open file or directory.
type handle struct {
	file File
	dir  Node // of a directory

	mu   sync.Mutex
	list []DirEntry // guarded by mu; the snapshot that cookies count in
	read bool       // guarded by mu; there is one
}

func (f *FS) addHandle(h *handle) vfs.Handle {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastH++
	f.handles[f.lastH] = h
	return f.lastH
}

// handle is nil for a file that was opened without an OPEN.
func (f *FS) handle(o vfs.Open) *handle {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.handles[o.H]
}

// Release closes a file.
func (f *FS) Release(o vfs.Open, _ uint32, _ uint64) {
	f.mu.Lock()
	h := f.handles[o.H]
	delete(f.handles, o.H)
	f.mu.Unlock()
	if h != nil {
		closeFile(h.file)
	}
}

func closeFile(file File) {
	if c, ok := file.(io.Closer); ok {
		_ = c.Close() // close(2) has returned long ago
	}
}

// Open opens a file.
func (f *FS) Open(op *vfs.Op, k vfs.Key, in *abi.OpenIn, out *vfs.Opened) vfs.Errno {
	n := f.node(k)
	a, err := f.attr(op, n)
	switch t := a.Mode; {
	case err != nil:
		return f.errno(op, err)
	case t.IsDir():
		return vfs.EISDIR
	case unixMode(t)&unixType == unixLink:
		return vfs.ELOOP
	case !t.IsRegular(): // the kernel opens special files by itself
		return vfs.ENXIO
	case f.o.ReadOnly && in.Flags&openAccess != 0:
		return vfs.EROFS
	}
	file := File(n)
	if x, ok := n.(Opener); ok {
		if file, err = x.Open(contextOf(op), int(in.Flags)); err != nil {
			return f.errno(op, err)
		}
	}
	f.opened(file, out)
	return vfs.OK
}

func (f *FS) opened(file File, out *vfs.Opened) {
	if x, ok := file.(DirectIO); ok && x.DirectIO() {
		out.Flags |= abi.FopenDirectIO
	}
	out.H = f.addHandle(&handle{file: file})
}

// Create makes and opens a file.
func (f *FS) Create(op *vfs.Op, dir vfs.Key, name vfs.Name, in *abi.CreateIn, e *vfs.Entry, o *vfs.Opened) vfs.Errno {
	d := f.node(dir)
	x, ok := d.(Creater)
	if !ok || f.o.ReadOnly {
		return f.lacks(op, d)
	}
	n, file, err := x.Create(contextOf(op), string(name), int(in.Flags), goMode(unixReg|in.Mode&0o7777&^in.Umask))
	if err != nil {
		return f.errno(op, err)
	}
	if errno := f.entry(op, n, e); errno != vfs.OK {
		closeFile(file)
		return errno
	}
	f.opened(file, o)
	return vfs.OK
}

// Read reads into the reply's memory.
func (f *FS) Read(op *vfs.Op, o vfs.Open, off int64, size int32, _ *abi.ReadIn) (vfs.Payload, vfs.Errno) {
	h := f.handle(o)
	if h == nil {
		return vfs.Payload{}, vfs.EBADF
	}
	x, ok := h.file.(io.ReaderAt)
	if !ok {
		return op.Bytes(nil), vfs.OK
	}
	b := op.Reply(int(size))
	n, err := x.ReadAt(b, off)
	if n < 0 || n > len(b) {
		return vfs.Payload{}, vfs.EIO
	}
	if err != nil && !errors.Is(err, io.EOF) && n == 0 {
		return vfs.Payload{}, f.errno(op, err)
	}
	return op.Bytes(b[:n]), vfs.OK
}

// Write writes what came with the request.
func (f *FS) Write(op *vfs.Op, o vfs.Open, off int64, data []byte, in *abi.WriteIn) (vfs.Payload, vfs.Errno) {
	h := f.handle(o)
	if h == nil {
		return vfs.Payload{}, vfs.EBADF
	}
	x, ok := h.file.(io.WriterAt)
	if !ok || f.o.ReadOnly {
		return vfs.Payload{}, vfs.EBADF
	}
	if in.WriteFlags&abi.WriteKillSuidgid != 0 {
		if k, ok := f.node(o.Node).(PrivKiller); ok {
			k.KillPriv()
		}
	}
	n, err := x.WriteAt(data, off)
	switch {
	case n < 0 || n > len(data):
		return vfs.Payload{}, vfs.EIO
	case n == 0 && err != nil:
		return vfs.Payload{}, f.errno(op, err)
	}
	return op.Count(n), vfs.OK
}

// Fsync syncs a file that can be.
func (f *FS) Fsync(op *vfs.Op, o vfs.Open, _ bool) vfs.Errno {
	h := f.handle(o)
	if h == nil {
		return vfs.EBADF
	}
	if x, ok := h.file.(Syncer); ok {
		return f.errno(op, x.Sync())
	}
	return vfs.OK
}
