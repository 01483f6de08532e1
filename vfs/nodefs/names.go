package nodefs

import (
	"io/fs"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// kind is what a node without Getattr seems to be, with usual permissions.
func kind(n Node) fs.FileMode {
	switch n.(type) {
	case Readlinker:
		return fs.ModeSymlink | 0o777
	case Lookuper, Readdirer:
		return fs.ModeDir | 0o755
	case interface {
		WriteAt([]byte, int64) (int, error)
	}:
		return 0o644
	}
	return 0o444
}

// isDir asks a node what it is.
func (f *FS) isDir(op *vfs.Op, n Node) bool {
	a, err := f.attr(op, n)
	return err == nil && a.Mode.IsDir()
}

// lacks is the answer where a node has no method for a change below it.
func (f *FS) lacks(op *vfs.Op, n Node) vfs.Errno {
	switch {
	case f.o.ReadOnly:
		return vfs.EROFS
	case !f.isDir(op, n):
		return vfs.ENOTDIR
	}
	return vfs.EPERM
}

// Lookup finds a name.
func (f *FS) Lookup(op *vfs.Op, dir vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	d := f.node(dir)
	x, ok := d.(Lookuper)
	if !ok {
		if f.isDir(op, d) {
			return vfs.ENOENT
		}
		return vfs.ENOTDIR
	}
	n, err := x.Lookup(contextOf(op), string(name))
	return f.found(op, n, err, out)
}

// found answers with the node that a method gave.
func (f *FS) found(op *vfs.Op, n Node, err error, out *vfs.Entry) vfs.Errno {
	switch {
	case err != nil:
		return f.errno(op, err)
	case n == nil:
		return vfs.ENOENT
	}
	return f.entry(op, n, out)
}

// Mkdir makes a directory.
func (f *FS) Mkdir(op *vfs.Op, dir vfs.Key, name vfs.Name, in *abi.MkdirIn, out *vfs.Entry) vfs.Errno {
	d := f.node(dir)
	x, ok := d.(Mkdirer)
	if !ok || f.o.ReadOnly {
		return f.lacks(op, d)
	}
	n, err := x.Mkdir(contextOf(op), string(name), goMode(unixDir|in.Mode&0o7777&^in.Umask))
	return f.found(op, n, err, out)
}

// Symlink makes a symlink.
func (f *FS) Symlink(op *vfs.Op, dir vfs.Key, name, target vfs.Name, out *vfs.Entry) vfs.Errno {
	d := f.node(dir)
	x, ok := d.(Symlinker)
	if !ok || f.o.ReadOnly {
		return f.lacks(op, d)
	}
	n, err := x.Symlink(contextOf(op), string(name), string(target))
	return f.found(op, n, err, out)
}

// Mknod makes a special file; a regular one if the node can only create those.
func (f *FS) Mknod(op *vfs.Op, dir vfs.Key, name vfs.Name, in *abi.MknodIn, out *vfs.Entry) vfs.Errno {
	d := f.node(dir)
	mode := in.Mode & (unixType | 0o7777) &^ (in.Umask & 0o777)
	if mode&unixType == 0 {
		mode |= unixReg
	}
	switch mode & unixType {
	case unixReg, unixFifo, unixChar, unixBlk, unixSock:
	default:
		return vfs.EINVAL
	}
	if x, ok := d.(Mknoder); ok && !f.o.ReadOnly {
		n, err := x.Mknod(contextOf(op), string(name), goMode(mode), in.Rdev)
		return f.found(op, n, err, out)
	}
	if x, ok := d.(Creater); ok && !f.o.ReadOnly && mode&unixType == unixReg {
		n, file, err := x.Create(contextOf(op), string(name), openExcl|openWrite, goMode(mode))
		if err == nil {
			closeFile(file)
		}
		return f.found(op, n, err, out)
	}
	return f.lacks(op, d)
}

// Link makes another name.
func (f *FS) Link(op *vfs.Op, k, dir vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	n, d := f.node(k), f.node(dir)
	x, ok := d.(Linker)
	switch {
	case !ok || f.o.ReadOnly:
		return f.lacks(op, d)
	case f.isDir(op, n):
		return vfs.EPERM
	}
	if err := x.Link(contextOf(op), n, string(name)); err != nil {
		return f.errno(op, err)
	}
	return f.entry(op, n, out)
}

// Unlink removes a name.
func (f *FS) Unlink(op *vfs.Op, dir vfs.Key, name vfs.Name) vfs.Errno {
	return f.remove(op, dir, name, false)
}

// Rmdir removes an empty directory.
func (f *FS) Rmdir(op *vfs.Op, dir vfs.Key, name vfs.Name) vfs.Errno {
	return f.remove(op, dir, name, true)
}

func (f *FS) remove(op *vfs.Op, dir vfs.Key, name vfs.Name, isDir bool) vfs.Errno {
	d := f.node(dir)
	x, ok := d.(Remover)
	if !ok || f.o.ReadOnly {
		return f.lacks(op, d)
	}
	return f.errno(op, x.Remove(contextOf(op), string(name), isDir))
}

// Rename moves a name.
func (f *FS) Rename(op *vfs.Op, k1 vfs.Key, n1 vfs.Name, k2 vfs.Key, n2 vfs.Name, flags uint32) vfs.Errno {
	d, to := f.node(k1), f.node(k2)
	x, ok := d.(Renamer)
	switch {
	case !ok || f.o.ReadOnly:
		return f.lacks(op, d)
	case flags&^(renameNoReplace|renameExchange) != 0:
		return vfs.EINVAL
	case !f.isDir(op, to):
		return vfs.ENOTDIR
	}
	return f.errno(op, x.Rename(contextOf(op), string(n1), to, string(n2), flags))
}

// Readlink reads a symlink.
func (f *FS) Readlink(op *vfs.Op, k vfs.Key) (vfs.Payload, vfs.Errno) {
	x, ok := f.node(k).(Readlinker)
	if !ok {
		return vfs.Payload{}, vfs.EINVAL
	}
	s, err := x.Readlink(contextOf(op))
	if err != nil {
		return vfs.Payload{}, f.errno(op, err)
	}
	if len(s) > vfs.TargetMax {
		return vfs.Payload{}, vfs.ENAMETOOLONG
	}
	b := op.Reply(len(s))
	return op.Bytes(b[:copy(b, s)]), vfs.OK
}
