package iofs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs/nodefs"
)

// Open opens a file and finds out how it can be read.
func (n node) Open(context.Context, int) (nodefs.File, error) {
	f, err := n.sys.Open(n.path)
	if err != nil {
		return nil, err
	}
	if r, ok := f.(io.ReaderAt); ok {
		return anywhere{f, r}, nil
	}
	return &file{n: n, f: f}, nil
}

// anywhere is a file that reads at any place by itself. Behind the end some say that the offset is bad.
type anywhere struct {
	fs.File
	r io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (x anywhere) ReadAt(b []byte, off int64) (int, error) {
	n, err := x.r.ReadAt(b, off)
	if n == 0 && err != nil && !errors.Is(err, io.EOF) {
		if fi, e := x.Stat(); e == nil && off >= fi.Size() {
			return 0, io.EOF
		}
	}
	return n, err
}

// file reads at any place of a file that only seeks, or that can only be read from its beginning to its end: that one is opened
// again to go back.
type file struct {
	n  node
	mu sync.Mutex
	f  fs.File // guarded by mu; nil: reopening failed
	at int64   // guarded by mu; where f is
}

// ReadAt implements io.ReaderAt.
func (x *file) ReadAt(b []byte, off int64) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.seek(off); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(x.f, b)
	x.at += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// seek goes to off; io.EOF: the file ends before. Preconditions: mu is held.
func (x *file) seek(off int64) error {
	if x.f != nil && x.at == off {
		return nil
	}
	if s, ok := x.f.(io.Seeker); ok {
		at, err := s.Seek(off, io.SeekStart)
		if err == nil {
			x.at = at
		}
		return err
	}
	if x.f == nil || off < x.at {
		if err := x.reopen(); err != nil {
			return err
		}
	}
	n, err := io.CopyN(io.Discard, x.f, off-x.at)
	x.at += n
	return err
}

func (x *file) reopen() error {
	f, err := x.n.sys.Open(x.n.path)
	if err != nil {
		return err
	}
	if x.f != nil {
		_ = x.f.Close() // it was only read
	}
	x.f, x.at = f, 0
	return nil
}

// Close implements io.Closer.
func (x *file) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.f == nil {
		return nil
	}
	return x.f.Close()
}

func onError(o Options) func(abi.Opcode, error) {
	if o.OnError == nil {
		return nil
	}
	return func(_ abi.Opcode, err error) { o.OnError(err) }
}

var _ interface { // all that nodefs asks for
	nodefs.Getattrer
	nodefs.Lookuper
	nodefs.Readdirer
	nodefs.Readlinker
	nodefs.Opener
} = node{}
