package nodefs

import (
	"bytes"
	"context"
	"io/fs"
)

// Symlink is a symlink that does not change.
type Symlink struct {
	Meta
	target string
}

// NewSymlink makes a symlink; target is 1 to 4095 bytes.
func NewSymlink(target string) *Symlink {
	s := &Symlink{target: target}
	s.Init(fs.ModeSymlink | 0o777)
	return s
}

// Readlink reads it.
func (s *Symlink) Readlink(context.Context) (string, error) { return s.target, nil }

// Getattr knows the length.
func (s *Symlink) Getattr(ctx context.Context) (Attr, error) {
	a, err := s.Meta.Getattr(ctx)
	a.Size = int64(len(s.target))
	return a, err
}

// Special is a FIFO, socket or device. The kernel opens it by itself.
type Special struct{ Meta }

// FuncFile is a file whose content is made when it is opened.
type FuncFile struct {
	Meta
	f func(ctx context.Context) ([]byte, error)
}

// NewFunc makes a generated file, 0444. f is called at each open, perhaps several at once.
func NewFunc(f func(ctx context.Context) ([]byte, error)) *FuncFile {
	x := &FuncFile{f: f}
	x.Init(0o444)
	return x
}

// Open makes the content.
func (x *FuncFile) Open(ctx context.Context, _ int) (File, error) {
	b, err := x.f(ctx)
	if err != nil {
		return nil, err
	}
	return generated{bytes.NewReader(b)}, nil
}

// generated is read with no regard to the size that stat shows.
type generated struct{ *bytes.Reader }

func (generated) DirectIO() bool { return true }
