package nodefs

import (
	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// sized answers with b, or with its size alone.
func sized(op *vfs.Op, b []byte, size int) (vfs.Payload, vfs.Errno) {
	switch {
	case size == 0:
		return op.Count(len(b)), vfs.OK
	case len(b) > size:
		return vfs.Payload{}, vfs.ERANGE
	}
	r := op.Reply(len(b))
	return op.Bytes(r[:copy(r, b)]), vfs.OK
}

// Getxattr reads an attribute.
func (f *FS) Getxattr(op *vfs.Op, k vfs.Key, name vfs.Name, size int) (vfs.Payload, vfs.Errno) {
	x, ok := f.node(k).(Xattrer)
	if !ok {
		return vfs.Payload{}, vfs.ENODATA
	}
	v, err := x.Getxattr(contextOf(op), string(name))
	if err != nil {
		return vfs.Payload{}, f.errno(op, err)
	}
	return sized(op, v, size)
}

// Listxattr lists the names.
func (f *FS) Listxattr(op *vfs.Op, k vfs.Key, size int) (vfs.Payload, vfs.Errno) {
	x, ok := f.node(k).(Xattrer)
	if !ok {
		return sized(op, nil, size)
	}
	names, err := x.Listxattr(contextOf(op))
	if err != nil {
		return vfs.Payload{}, f.errno(op, err)
	}
	var b []byte
	for _, name := range names {
		b = append(append(b, name...), 0)
	}
	return sized(op, b, size)
}

// Setxattr sets an attribute. The value is the node's to keep.
func (f *FS) Setxattr(op *vfs.Op, k vfs.Key, name vfs.Name, value []byte, in *abi.SetxattrIn) vfs.Errno {
	x, ok := f.node(k).(Xattrer)
	switch {
	case f.o.ReadOnly:
		return vfs.EROFS
	case !ok:
		return vfs.EOPNOTSUPP
	}
	return f.errno(op, x.Setxattr(contextOf(op), string(name), append([]byte(nil), value...), int(in.Flags)))
}

// Removexattr removes an attribute.
func (f *FS) Removexattr(op *vfs.Op, k vfs.Key, name vfs.Name) vfs.Errno {
	x, ok := f.node(k).(Xattrer)
	switch {
	case f.o.ReadOnly:
		return vfs.EROFS
	case !ok:
		return vfs.ENODATA
	}
	return f.errno(op, x.Removexattr(contextOf(op), string(name)))
}
