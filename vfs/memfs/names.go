package memfs

import (
	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// Cookies of "." and ".."; entries follow.
const (
	cookieDot = iota + 1
	cookieDotDot
	cookieFirst = cookieDotDot
)

// Lookup finds a name.
func (fs *FS) Lookup(_ *vfs.Op, dir vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d := fs.nodes[dir]
	if !d.isDir() {
		return vfs.ENOTDIR
	}
	if e, ok := d.names[string(name)]; ok {
		fs.entry(e.node, out)
		return vfs.OK
	}
	return vfs.ENOENT
}

// create makes a node under a name. Preconditions: mu is held.
func (fs *FS) create(op *vfs.Op, dir vfs.Key, name vfs.Name, mode uint32) (*node, vfs.Errno) {
	d := fs.nodes[dir]
	switch {
	case !d.isDir():
		return nil, vfs.ENOTDIR
	case d.attr.Nlink == 0:
		return nil, vfs.ENOENT
	case d.names[string(name)] != nil:
		return nil, vfs.EEXIST
	}
	n := fs.alloc(mode)
	if n == nil {
		return nil, vfs.ENOSPC
	}
	fs.own(op, d, n)
	d.add(string(name), n)
	if n.isDir() {
		n.parent = d
		d.attr.Nlink++
	}
	return n, vfs.OK
}

// own gives a new node the caller's ids, and the group of a set-group-id directory.
func (fs *FS) own(op *vfs.Op, d, n *node) {
	n.attr.UID, n.attr.GID = op.UID, op.GID
	if d.attr.Mode&setGID != 0 {
		n.attr.GID = d.attr.GID
		if n.isDir() {
			n.attr.Mode |= setGID
		}
	}
}

// Mknod makes a file or special file.
func (fs *FS) Mknod(op *vfs.Op, dir vfs.Key, name vfs.Name, in *abi.MknodIn, out *vfs.Entry) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	mode := in.Mode & (typeMask | 0o7777)
	if mode&typeMask == 0 {
		mode |= typeReg
	}
	switch mode & typeMask {
	case typeReg, typeFifo, typeChar, typeBlock, typeSock:
	default:
		return vfs.EINVAL
	}
	n, e := fs.create(op, dir, name, mode&^(in.Umask&0o777))
	if e != vfs.OK {
		return e
	}
	n.attr.Rdev = in.Rdev
	fs.entry(n, out)
	return vfs.OK
}

// Mkdir makes a directory.
func (fs *FS) Mkdir(op *vfs.Op, dir vfs.Key, name vfs.Name, in *abi.MkdirIn, out *vfs.Entry) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, e := fs.create(op, dir, name, typeDir|in.Mode&0o7777&^in.Umask)
	if e == vfs.OK {
		fs.entry(n, out)
	}
	return e
}

// Symlink makes a symlink.
func (fs *FS) Symlink(op *vfs.Op, dir vfs.Key, name, target vfs.Name, out *vfs.Entry) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, e := fs.create(op, dir, name, typeLink|0o777)
	if e == vfs.OK {
		n.target, n.attr.Size = string(target), uint64(len(target))
		fs.entry(n, out)
	}
	return e
}

// Readlink reads its target.
func (fs *FS) Readlink(op *vfs.Op, k vfs.Key) (vfs.Payload, vfs.Errno) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.nodes[k]
	if n.attr.Mode&typeMask != typeLink {
		return vfs.Payload{}, vfs.EINVAL
	}
	b := op.Reply(len(n.target))
	return op.Bytes(b[:copy(b, n.target)]), vfs.OK
}

// Link makes another name.
func (fs *FS) Link(_ *vfs.Op, k, dir vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, d := fs.nodes[k], fs.nodes[dir]
	switch {
	case n.isDir():
		return vfs.EPERM
	case !d.isDir():
		return vfs.ENOTDIR
	case d.attr.Nlink == 0:
		return vfs.ENOENT
	case d.names[string(name)] != nil:
		return vfs.EEXIST
	}
	d.add(string(name), n)
	n.attr.Nlink++
	n.touch(false, true)
	fs.entry(n, out)
	return vfs.OK
}

// Unlink removes a name.
func (fs *FS) Unlink(_ *vfs.Op, dir vfs.Key, name vfs.Name) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d := fs.nodes[dir]
	e := d.names[string(name)]
	switch {
	case e == nil:
		return vfs.ENOENT
	case e.node.isDir():
		return vfs.EISDIR
	}
	fs.unlink(d, e)
	return vfs.OK
}

// Rmdir removes an empty directory.
func (fs *FS) Rmdir(_ *vfs.Op, dir vfs.Key, name vfs.Name) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d := fs.nodes[dir]
	e := d.names[string(name)]
	switch {
	case e == nil:
		return vfs.ENOENT
	case !e.node.isDir():
		return vfs.ENOTDIR
	case len(e.node.names) > 0:
		return vfs.ENOTEMPTY
	}
	fs.unlink(d, e)
	return vfs.OK
}

// unlink takes an entry and its link away. Preconditions: mu is held; a directory is empty.
func (fs *FS) unlink(d *node, e *dirent) {
	n := e.node
	d.remove(e)
	if n.isDir() {
		n.attr.Nlink = 0
		d.attr.Nlink--
	} else {
		n.attr.Nlink--
	}
	n.touch(false, true)
	fs.drop(n)
}

// Flags of RENAME2.
const (
	noReplace = 1
	exchange  = 2
)

// Rename moves a name.
func (fs *FS) Rename(_ *vfs.Op, k1 vfs.Key, n1 vfs.Name, k2 vfs.Key, n2 vfs.Name, flags uint32) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d1, d2 := fs.nodes[k1], fs.nodes[k2]
	if flags&^(noReplace|exchange) != 0 { // no whiteouts
		return vfs.EINVAL
	}
	if !d1.isDir() || !d2.isDir() {
		return vfs.ENOTDIR
	}
	from, to := d1.names[string(n1)], d2.names[string(n2)]
	switch {
	case from == nil || d2.attr.Nlink == 0:
		return vfs.ENOENT
	case from.node.isDir() && d2.below(from.node):
		return vfs.EINVAL
	case flags&exchange != 0:
		return fs.exchange(d1, from, d2, to)
	case to == nil:
	case flags&noReplace != 0:
		return vfs.EEXIST
	case to.node == from.node:
		return vfs.OK
	case to.node.isDir() && !from.node.isDir():
		return vfs.EISDIR
	case !to.node.isDir() && from.node.isDir():
		return vfs.ENOTDIR
	case to.node.isDir() && len(to.node.names) > 0:
		return vfs.ENOTEMPTY
	}
	if to != nil {
		fs.unlink(d2, to)
	}
	n := from.node
	d1.remove(from)
	d2.add(string(n2), n)
	move(n, d1, d2)
	n.touch(false, true)
	return vfs.OK
}

func (fs *FS) exchange(d1 *node, a *dirent, d2 *node, b *dirent) vfs.Errno {
	if b == nil {
		return vfs.ENOENT
	}
	if b.node.isDir() && d1.below(b.node) {
		return vfs.EINVAL
	}
	a.node, b.node = b.node, a.node
	move(b.node, d1, d2)
	move(a.node, d2, d1)
	for _, n := range []*node{d1, d2} {
		n.touch(true, true)
	}
	a.node.touch(false, true)
	b.node.touch(false, true)
	return vfs.OK
}

// move tells a directory its new parent.
func move(n, from, to *node) {
	if n.isDir() && from != to {
		n.parent = to
		from.attr.Nlink--
		to.attr.Nlink++
	}
}

// below says whether n is top or lies below it.
func (n *node) below(top *node) bool {
	for ; n != top; n = n.parent {
		if n == n.parent {
			return false
		}
	}
	return true
}

// Readdir lists from a cookie on.
func (fs *FS) Readdir(op *vfs.Op, o vfs.Open, off uint64, plus bool, to vfs.DirSink) vfs.Errno {
	ino, parent, e := fs.dots(o.Node)
	if e != vfs.OK {
		return e
	}
	if off < cookieDot && !to.Add(op, op.TempName("."), cookieDot, ino, typeDir>>12, nil) {
		return vfs.OK
	}
	if off < cookieDotDot && !to.Add(op, op.TempName(".."), cookieDotDot, parent, typeDir>>12, nil) {
		return vfs.OK
	}
	var out *vfs.Entry
	if plus {
		out = op.Scratch()
		defer op.Unscratch()
	}
	off = max(off, cookieFirst)
	for {
		name, seq, attr, ok := fs.next(op, o.Node, off, out)
		if !ok || !to.Add(op, name, seq, attr.Ino, attr.Mode>>12, out) {
			return vfs.OK
		}
		off = seq
	}
}

// dots are the inode numbers of "." and "..".
func (fs *FS) dots(k vfs.Key) (ino, parent uint64, e vfs.Errno) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d := fs.nodes[k]
	if !d.isDir() {
		return 0, 0, vfs.ENOTDIR
	}
	return d.attr.Ino, d.parent.attr.Ino, vfs.OK
}

// next hands the entry behind a cookie out, unless out is nil. It is given to the sink without the lock, for a sink may give it
// back at once.
func (fs *FS) next(op *vfs.Op, k vfs.Key, off uint64, out *vfs.Entry) (vfs.Name, uint64, abi.Attr, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d := fs.nodes[k]
	for _, e := range d.list[d.find(off):] {
		if e.node == nil {
			continue
		}
		if out != nil {
			*out = vfs.Entry{}
			fs.entry(e.node, out)
		}
		return op.TempName(e.name), e.seq, e.node.attr, true
	}
	return nil, 0, abi.Attr{}, false
}
