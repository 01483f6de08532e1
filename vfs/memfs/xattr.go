package memfs

import (
	"maps"
	"slices"
	"strings"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

const (
	xattrCreate  = 1
	xattrReplace = 2
	xattrTotal   = 256 << 10 // names and values of one node
)

// Setxattr sets an attribute.
func (fs *FS) Setxattr(_ *vfs.Op, k vfs.Key, name vfs.Name, value []byte, in *abi.SetxattrIn) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.nodes[k]
	if strings.HasPrefix(string(name), "system.") { // no access control lists
		return vfs.EOPNOTSUPP
	}
	_, have := n.xattrs[string(name)]
	switch {
	case have && in.Flags&xattrCreate != 0:
		return vfs.EEXIST
	case !have && in.Flags&xattrReplace != 0:
		return vfs.ENODATA
	}
	total := len(name) + len(value)
	for key, v := range n.xattrs {
		total += len(key) + len(v)
	}
	if total > xattrTotal {
		return vfs.ENOSPC
	}
	if n.xattrs == nil {
		n.xattrs = make(map[string][]byte)
	}
	n.xattrs[string(name)] = append([]byte(nil), value...)
	n.touch(false, true)
	return vfs.OK
}

// sized answers with b, or with its size alone.
func sized(op *vfs.Op, b string, size int) (vfs.Payload, vfs.Errno) {
	switch {
	case size == 0:
		return op.Count(len(b)), vfs.OK
	case len(b) > size:
		return vfs.Payload{}, vfs.ERANGE
	}
	r := op.Reply(size)
	return op.Bytes(r[:copy(r, b)]), vfs.OK
}

// Getxattr reads an attribute.
func (fs *FS) Getxattr(op *vfs.Op, k vfs.Key, name vfs.Name, size int) (vfs.Payload, vfs.Errno) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	v, ok := fs.nodes[k].xattrs[string(name)]
	if !ok {
		return vfs.Payload{}, vfs.ENODATA
	}
	return sized(op, string(v), size)
}

// Listxattr lists the names, in order.
func (fs *FS) Listxattr(op *vfs.Op, k vfs.Key, size int) (vfs.Payload, vfs.Errno) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fs.nodes[k].xattrs)) {
		b.WriteString(name)
		b.WriteByte(0)
	}
	return sized(op, b.String(), size)
}

// Removexattr removes an attribute.
func (fs *FS) Removexattr(_ *vfs.Op, k vfs.Key, name vfs.Name) vfs.Errno {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.nodes[k]
	if _, ok := n.xattrs[string(name)]; !ok {
		return vfs.ENODATA
	}
	delete(n.xattrs, string(name))
	n.touch(false, true)
	return vfs.OK
}
