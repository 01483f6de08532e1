package nodefs

import (
	"context"
	"io"
	"sync"

	"github.com/fastfsd/fastfsd/vfs"
)

// MaxMemFile is the largest MemFile, in bytes.
const MaxMemFile = 1 << 30

// MemFile is a file in memory that may be read and written, its own File.
type MemFile struct {
	Meta
	mu   sync.RWMutex
	data []byte // guarded by mu
}

// NewFile makes a file, 0644. data is its own from now on.
func NewFile(data []byte) *MemFile {
	f := &MemFile{data: data}
	f.Init(0o644)
	return f
}

// Bytes is a copy of what is in it.
func (f *MemFile) Bytes() []byte {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return append([]byte(nil), f.data...)
}

// SetBytes replaces what is in it. data is its own from now on.
func (f *MemFile) SetBytes(data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.data = data
	f.Touch(true)
}

// Getattr knows the size.
func (f *MemFile) Getattr(ctx context.Context) (Attr, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	a, err := f.Meta.Getattr(ctx)
	a.Size = int64(len(f.data))
	return a, err
}

// Setattr changes the size too.
func (f *MemFile) Setattr(_ context.Context, c *Change) error {
	if c.Size != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if err := f.resize(*c.Size); err != nil {
			return err
		}
		f.Touch(true)
	}
	f.apply(c)
	return nil
}

// resize cuts or fills with zeros. Preconditions: mu is locked.
func (f *MemFile) resize(size int64) error {
	if size < 0 || size > MaxMemFile {
		return vfs.EFBIG
	}
	old, n := len(f.data), int(size)
	switch {
	case n <= old:
		f.data = f.data[:n]
		if n == 0 {
			f.data = nil
		}
		return nil
	case n > cap(f.data):
		f.data = append(make([]byte, 0, max(n, min(2*old, MaxMemFile))), f.data...)
	}
	f.data = f.data[:n]
	clear(f.data[old:])
	return nil
}

// ReadAt implements io.ReaderAt.
func (f *MemFile) ReadAt(b []byte, off int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if off < 0 {
		return 0, vfs.EINVAL
	}
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt; a gap reads as zeros.
func (f *MemFile) WriteAt(b []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off < 0 {
		return 0, vfs.EINVAL
	}
	if len(b) == 0 {
		return 0, nil
	}
	if off > MaxMemFile-int64(len(b)) {
		return 0, vfs.EFBIG
	}
	if end := off + int64(len(b)); end > int64(len(f.data)) {
		if err := f.resize(end); err != nil {
			return 0, err
		}
	}
	f.Touch(true)
	return copy(f.data[off:], b), nil
}
