package vfs

import (
	"sync/atomic"
	"syscall"
)

// File is a counted file descriptor. An extent holds a reference until the engine has satisfied or dropped it, so that a RELEASE
// meanwhile cannot close the descriptor and let its number be reused. It may be embedded in a back-end's own tables.
type File struct {
	FD int32
	// Nowait: preadv2 with RWF_NOWAIT works on it. Direct: it was opened with O_DIRECT. Set before the file is shared.
	Nowait, Direct bool
	Pace           *Pace  // of its superblock; nil: may always wait
	Closer         Closer // nil: the descriptor is closed
	refs           atomic.Int32
}

// Closer is told of the last Put instead of a close of the descriptor. It may wait only where the file's Pace may.
type Closer interface{ CloseFile(f *File) }

// NewFile makes a File with one reference.
func NewFile(fd int) *File { f := &File{}; f.Init(fd); return f }

// Init makes f a file with one reference. No one else may hold f.
func (f *File) Init(fd int) { f.FD = int32(fd); f.refs.Store(1) }

// Get takes a reference. The caller holds one already.
func (f *File) Get() { f.refs.Add(1) }

// Put gives a reference back; the last one closes the descriptor.
func (f *File) Put() {
	switch n := f.refs.Add(-1); {
	case n > 0:
	case n < 0:
		panic("vfs: file put more often than got")
	case f.Closer != nil:
		f.Closer.CloseFile(f)
	default:
		_ = syscall.Close(int(f.FD)) // the peer has been answered long ago
		f.FD = -1
	}
}
