package nodefs

import (
	"context"
	"io/fs"
	"slices"
	"sync"

	"github.com/fastfsd/fastfsd/vfs"
)

// tree guards the names of all Dirs: a rename looks at several at once, and lookups only read.
var tree sync.RWMutex

// Dir is a directory in memory. Programs that mount it may change it, if its permissions allow, and so may its author.
type Dir struct {
	Meta
	names  map[string]Node // guarded by tree
	parent *Dir            // guarded by tree; nil: a root
	subs   int             // guarded by tree; directories in it
	dead   bool            // guarded by tree; it was removed
}

// NewDir makes an empty directory, 0755.
func NewDir() *Dir {
	d := &Dir{names: map[string]Node{}}
	d.Init(fs.ModeDir | 0o755)
	return d
}

// Add puts a node under a name, in place of what was there, and returns the directory.
func (d *Dir) Add(name string, n Node) *Dir {
	tree.Lock()
	defer tree.Unlock()
	if old := d.names[name]; old != nil {
		d.remove(name, old)
	}
	d.put(name, n)
	return d
}

// Get is the node of a name, or nil.
func (d *Dir) Get(name string) Node {
	tree.RLock()
	defer tree.RUnlock()
	return d.names[name]
}

// Delete removes a name, whatever it is.
func (d *Dir) Delete(name string) {
	tree.Lock()
	defer tree.Unlock()
	if old := d.names[name]; old != nil {
		d.remove(name, old)
	}
}

// Getattr counts the links too: one for each directory in it.
func (d *Dir) Getattr(ctx context.Context) (Attr, error) {
	a, err := d.Meta.Getattr(ctx)
	tree.RLock()
	defer tree.RUnlock()
	a.Nlink, a.Unlinked = uint32(2+d.subs), d.dead
	return a, err
}

// Lookup finds a name.
func (d *Dir) Lookup(_ context.Context, name string) (Node, error) {
	if n := d.Get(name); n != nil {
		return n, nil
	}
	return nil, vfs.ENOENT
}

// Readdir lists the names in order.
func (d *Dir) Readdir(context.Context) ([]DirEntry, error) {
	tree.RLock()
	defer tree.RUnlock()
	list := make([]DirEntry, 0, len(d.names))
	for name, n := range d.names {
		e := DirEntry{Name: name, Mode: kind(n), Node: n}
		if m := metaOf(n); m != nil {
			e.Mode = m.mode()
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b DirEntry) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list, nil
}

func (d *Dir) parentIno() uint64 {
	tree.RLock()
	defer tree.RUnlock()
	if d.parent == nil {
		return d.inode()
	}
	return d.parent.inode()
}

// put enters a name. Preconditions: tree is locked, the name is free.
func (d *Dir) put(name string, n Node) {
	d.names[name] = n
	if sub, ok := n.(*Dir); ok {
		sub.parent = d
		d.subs++
	}
	d.Touch(true)
}

// take takes a name away and leaves its node alone. Preconditions: tree is locked.
func (d *Dir) take(name string) Node {
	n := d.names[name]
	delete(d.names, name)
	if _, ok := n.(*Dir); ok {
		d.subs--
	}
	d.Touch(true)
	return n
}

// remove takes a name and one link of its node away. Preconditions: tree is locked.
func (d *Dir) remove(name string, n Node) {
	d.take(name)
	if sub, ok := n.(*Dir); ok {
		sub.dead, sub.parent = true, nil
	} else if m := metaOf(n); m != nil {
		m.link(-1)
	}
}

// below says whether d is top or lies below it. Preconditions: tree is locked.
func (d *Dir) below(top *Dir) bool {
	for ; d != nil; d = d.parent {
		if d == top {
			return true
		}
	}
	return false
}
