package nodefs

import (
	"context"
	"io/fs"

	"github.com/fastfsd/fastfsd/vfs"
)

const openTrunc = 0o1000

// own gives a new node the caller's ids, and the group of a set-group-id directory.
func (d *Dir) own(ctx context.Context, m *Meta, mode fs.FileMode) {
	m.Init(mode)
	if c, ok := Caller(ctx); ok {
		m.attr.UID, m.attr.GID = c.UID, c.GID
	}
	d.Meta.mu.Lock()
	defer d.Meta.mu.Unlock()
	if d.attr.Mode&fs.ModeSetgid != 0 {
		m.attr.GID = d.attr.GID
		if mode.IsDir() {
			m.attr.Mode |= fs.ModeSetgid
		}
	}
}

// insert enters a new node. Preconditions: tree is locked.
func (d *Dir) insert(name string, n Node) error {
	switch {
	case d.dead:
		return vfs.ENOENT
	case d.names[name] != nil:
		return vfs.EEXIST
	}
	d.put(name, n)
	return nil
}

func (d *Dir) add(name string, n Node) (Node, error) {
	tree.Lock()
	defer tree.Unlock()
	return n, d.insert(name, n)
}

// Create makes a MemFile, or opens one that is there.
func (d *Dir) Create(ctx context.Context, name string, flags int, mode fs.FileMode) (Node, File, error) {
	n := &MemFile{}
	d.own(ctx, &n.Meta, mode)
	tree.Lock()
	defer tree.Unlock()
	if old := d.names[name]; old != nil && flags&openExcl == 0 {
		file, ok := old.(*MemFile)
		if !ok {
			return nil, nil, vfs.EEXIST
		}
		if flags&openTrunc != 0 {
			_ = file.Setattr(ctx, &Change{Size: new(int64)}) // 0 is no bad size
		}
		return file, file, nil
	}
	if err := d.insert(name, n); err != nil {
		return nil, nil, err
	}
	return n, n, nil
}

// Mkdir makes a Dir.
func (d *Dir) Mkdir(ctx context.Context, name string, mode fs.FileMode) (Node, error) {
	n := &Dir{names: map[string]Node{}}
	d.own(ctx, &n.Meta, mode|fs.ModeDir)
	return d.add(name, n)
}

// Symlink makes a Symlink.
func (d *Dir) Symlink(ctx context.Context, name, target string) (Node, error) {
	n := &Symlink{target: target}
	d.own(ctx, &n.Meta, fs.ModeSymlink|0o777)
	return d.add(name, n)
}

// Mknod makes a MemFile or a Special.
func (d *Dir) Mknod(ctx context.Context, name string, mode fs.FileMode, rdev uint32) (Node, error) {
	if mode.IsRegular() {
		n, _, err := d.Create(ctx, name, openExcl, mode)
		return n, err
	}
	n := &Special{}
	d.own(ctx, &n.Meta, mode)
	n.attr.Rdev = rdev
	return d.add(name, n)
}

// Link gives a node that embeds Meta one more name.
func (d *Dir) Link(_ context.Context, n Node, name string) error {
	m := metaOf(n)
	if m == nil {
		return vfs.EPERM
	}
	tree.Lock()
	defer tree.Unlock()
	if m.links() == 0 {
		return vfs.ENOENT
	}
	if err := d.insert(name, n); err != nil {
		return err
	}
	m.link(1)
	return nil
}

// Remove removes a file or an empty directory.
func (d *Dir) Remove(_ context.Context, name string, dir bool) error {
	tree.Lock()
	defer tree.Unlock()
	n := d.names[name]
	switch {
	case n == nil:
		return vfs.ENOENT
	case dir && !isDirNode(n):
		return vfs.ENOTDIR
	case !dir && isDirNode(n):
		return vfs.EISDIR
	case dir && !empty(n):
		return vfs.ENOTEMPTY
	}
	d.remove(name, n)
	return nil
}

// isDirNode says whether a node is a directory by what it can do, for it may not be asked under a lock.
func isDirNode(n Node) bool {
	if m := metaOf(n); m != nil {
		return m.mode().IsDir()
	}
	return kind(n).IsDir()
}

// empty says whether a directory may go; one of another kind is its author's.
func empty(n Node) bool {
	d, ok := n.(*Dir)
	return ok && len(d.names) == 0
}

// Rename moves a name to another Dir.
func (d *Dir) Rename(_ context.Context, name string, to Node, newName string, flags uint32) error {
	d2, ok := to.(*Dir)
	if !ok {
		return vfs.EXDEV
	}
	tree.Lock()
	defer tree.Unlock()
	from, old := d.names[name], d2.names[newName]
	if from == nil || d2.dead || flags&renameExchange != 0 && old == nil {
		return vfs.ENOENT
	}
	if sub, ok := from.(*Dir); ok && d2.below(sub) {
		return vfs.EINVAL
	}
	if flags&renameExchange != 0 {
		return d.exchange(name, d2, newName)
	}
	switch {
	case old == nil:
	case flags&renameNoReplace != 0:
		return vfs.EEXIST
	case old == from:
		return nil
	case isDirNode(old) && !isDirNode(from):
		return vfs.EISDIR
	case !isDirNode(old) && isDirNode(from):
		return vfs.ENOTDIR
	case isDirNode(old) && !empty(old):
		return vfs.ENOTEMPTY
	}
	if old != nil {
		d2.remove(newName, old)
	}
	d2.put(newName, d.take(name))
	if m := metaOf(from); m != nil {
		m.Touch(false)
	}
	return nil
}

// exchange swaps two names that are there. Preconditions: tree is locked; the first does not go below itself.
func (d *Dir) exchange(name string, d2 *Dir, newName string) error {
	if sub, ok := d2.names[newName].(*Dir); ok && d.below(sub) {
		return vfs.EINVAL
	}
	if d == d2 && name == newName {
		return nil
	}
	a, b := d.take(name), d2.take(newName)
	d2.put(newName, a)
	d.put(name, b)
	for _, n := range []Node{a, b} {
		if m := metaOf(n); m != nil {
			m.Touch(false)
		}
	}
	return nil
}
