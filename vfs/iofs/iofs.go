package iofs

import (
	"context"
	"hash/fnv"
	"io/fs"
	"path"
	"syscall"
	"time"

	"github.com/fastfsd/fastfsd/vfs/nodefs"
)

// Options of a served file system. The zero value is good.
type Options struct {
	// TTL is how long the kernel may keep names and attributes; 0: a minute, for most file systems that are served so never change.
	TTL time.Duration
	// UID and GID own everything.
	UID, GID uint32
	// OnError hears of errors that went to the caller as EIO. Any goroutine.
	OnError func(err error)
}

// New makes a back-end of fsys. Hand it to a mount.
func New(fsys fs.FS) *nodefs.FS { return NewWith(fsys, Options{}) }

// NewWith is New with options.
func NewWith(fsys fs.FS, o Options) *nodefs.FS {
	if o.TTL == 0 {
		o.TTL = time.Minute
	}
	return nodefs.New(node{&system{fsys, o}, "."}, nodefs.Options{TTL: o.TTL, ReadOnly: true, OnError: onError(o)})
}

// system is what all nodes share.
type system struct {
	fs.FS
	o Options
}

// node is a path. Equal paths are one inode.
type node struct {
	sys  *system
	path string
}

// inoBit keeps the numbers apart from those that nodefs gives.
const inoBit = 1 << 63

func (n node) ino() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(n.path)) // never fails
	return h.Sum64() | inoBit
}

// Getattr shows the type that is there and takes the write permissions away.
func (n node) Getattr(context.Context) (nodefs.Attr, error) {
	fi, err := n.lstat()
	if err != nil {
		return nodefs.Attr{}, err
	}
	const writable = 0o222
	a := nodefs.Attr{
		Mode: fi.Mode() &^ writable, Size: fi.Size(), Ino: n.ino(), UID: n.sys.o.UID, GID: n.sys.o.GID,
		Atime: fi.ModTime(), Mtime: fi.ModTime(), Ctime: fi.ModTime(),
	}
	if _, real := fi.Sys().(*syscall.Stat_t); !real && fi.Mode().Perm() == 0 { // nobody gave any: a zip archive, a map
		a.Mode |= 0o444
		if fi.IsDir() {
			a.Mode |= 0o111
		}
	}
	if fi.IsDir() {
		a.Nlink = 2
	}
	return a, nil
}

// lstat does not follow a last symlink, if the file system can tell.
func (n node) lstat() (fs.FileInfo, error) {
	if l, ok := n.sys.FS.(fs.ReadLinkFS); ok {
		return l.Lstat(n.path)
	}
	return fs.Stat(n.sys.FS, n.path)
}

// Lookup finds a name; one that no fs.FS can have is not there.
func (n node) Lookup(_ context.Context, name string) (nodefs.Node, error) {
	c := node{n.sys, path.Join(n.path, name)}
	if !fs.ValidPath(c.path) {
		return nil, fs.ErrNotExist
	}
	if _, err := c.lstat(); err != nil {
		return nil, err
	}
	return c, nil
}

// Readdir lists names.
func (n node) Readdir(context.Context) ([]nodefs.DirEntry, error) {
	list, err := fs.ReadDir(n.sys.FS, n.path)
	if err != nil {
		return nil, err
	}
	out := make([]nodefs.DirEntry, 0, len(list))
	for _, e := range list {
		c := node{n.sys, path.Join(n.path, e.Name())}
		out = append(out, nodefs.DirEntry{Name: e.Name(), Mode: e.Type(), Ino: c.ino(), Node: c})
	}
	return out, nil
}

// Readlink reads a symlink.
func (n node) Readlink(context.Context) (string, error) { return fs.ReadLink(n.sys.FS, n.path) }
