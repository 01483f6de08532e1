package nodefs

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastfsd/fastfsd/vfs"
)

const (
	firstIno     = 1 << 32 // behind the numbers that an FS gives by itself
	xattrTotal   = 256 << 10
	xattrCreate  = 1
	xattrReplace = 2
	capability   = "security.capability"
)

var lastIno atomic.Uint64

// Meta is the permissions, owner, times, links and extended attributes of a node that embeds it. Call Init before use.
type Meta struct {
	mu     sync.Mutex
	attr   Attr
	xattrs map[string][]byte
}

// Init gives the node its type and permissions, an inode number and this process's user and group.
func (m *Meta) Init(mode fs.FileMode) {
	now := time.Now()
	m.attr = Attr{
		Mode: mode, Ino: firstIno + lastIno.Add(1), Nlink: 1, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()),
		Atime: now, Mtime: now, Ctime: now,
	}
}

// Getattr says what Meta knows; a node with a size overrides it.
func (m *Meta) Getattr(context.Context) (Attr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.attr
	a.Unlinked = a.Nlink == 0
	return a, nil
}

// Setattr changes everything but the size.
func (m *Meta) Setattr(_ context.Context, c *Change) error {
	if c.Size != nil {
		return vfs.EINVAL
	}
	m.apply(c)
	return nil
}

func (m *Meta) apply(c *Change) {
	const bits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	m.mu.Lock()
	defer m.mu.Unlock()
	a := &m.attr
	if c.KillPriv || c.UID != nil || c.GID != nil {
		m.killPriv()
	}
	set(&a.UID, c.UID)
	set(&a.GID, c.GID)
	if c.Mode != nil {
		a.Mode = a.Mode&^bits | *c.Mode&bits
	}
	a.Ctime = time.Now()
	set(&a.Atime, c.Atime)
	set(&a.Mtime, c.Mtime)
	set(&a.Ctime, c.Ctime)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// KillPriv takes the set-user-id bit away, and the set-group-id bit where the group may execute.
func (m *Meta) KillPriv() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.killPriv()
}

func (m *Meta) killPriv() {
	if m.attr.Mode.IsDir() {
		return
	}
	m.attr.Mode &^= fs.ModeSetuid
	if m.attr.Mode&0o010 != 0 {
		m.attr.Mode &^= fs.ModeSetgid
	}
	delete(m.xattrs, capability)
}

// Touch sets ctime to now and, if the content changed, mtime; file capabilities go with the content.
func (m *Meta) Touch(content bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.attr.Ctime = time.Now()
	if content {
		m.attr.Mtime = m.attr.Ctime
		delete(m.xattrs, capability)
	}
}

// link adds n links.
func (m *Meta) link(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.attr.Nlink = uint32(int(m.attr.Nlink) + n)
	m.attr.Ctime = time.Now()
}

func (m *Meta) inode() uint64 { return m.attr.Ino } // it does not change after Init

func (m *Meta) meta() *Meta { return m }

// metaOf is the Meta that a node embeds, or nil.
func metaOf(n Node) *Meta {
	if x, ok := n.(interface{ meta() *Meta }); ok {
		return x.meta()
	}
	return nil
}

// Getxattr reads an extended attribute.
func (m *Meta) Getxattr(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.xattrs[name]
	if !ok {
		return nil, vfs.ENODATA
	}
	return v, nil // values are replaced, never changed
}

// Listxattr lists the names in order.
func (m *Meta) Listxattr(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := make([]string, 0, len(m.xattrs))
	for name := range m.xattrs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Setxattr keeps value. Access control lists are not supported.
func (m *Meta) Setxattr(_ context.Context, name string, value []byte, flags int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, have := m.xattrs[name]
	switch {
	case strings.HasPrefix(name, "system."):
		return vfs.EOPNOTSUPP
	case have && flags&xattrCreate != 0:
		return vfs.EEXIST
	case !have && flags&xattrReplace != 0:
		return vfs.ENODATA
	}
	total := len(name) + len(value)
	for n, v := range m.xattrs {
		if n != name {
			total += len(n) + len(v)
		}
	}
	if total > xattrTotal {
		return vfs.ENOSPC
	}
	if m.xattrs == nil {
		m.xattrs = make(map[string][]byte)
	}
	m.xattrs[name] = value
	m.attr.Ctime = time.Now()
	return nil
}

// Removexattr removes an extended attribute.
func (m *Meta) Removexattr(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.xattrs[name]; !ok {
		return vfs.ENODATA
	}
	delete(m.xattrs, name)
	m.attr.Ctime = time.Now()
	return nil
}

func (m *Meta) mode() fs.FileMode {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.attr.Mode
}

func (m *Meta) links() uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.attr.Nlink
}
