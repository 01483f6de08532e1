//go:build linux

package passthrough

import (
	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// victim is an inode whose last name a client is about to take. An OPEN of it may be on its way, or follow from a program that found the
// name before: as on a local file system it must succeed, and a file handle would be stale. So its descriptor is opened
// while the file is there; it stays in the cache until the client forgets the node, or descriptors run low.
type victim struct {
	k vfs.Key
	n *inode // nil: nobody knows the inode, or it keeps a name
}

// spare finds the inode behind a name and holds its descriptor. Where that cannot be had, the removal goes on without.
// Preconditions: dfd is a descriptor of d.
func (fs *FS) spare(d *inode, dfd int, name vfs.Name) victim {
	var st unix.Statx_t
	flags := unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_STATX_DONT_SYNC
	if statx(dfd, name.Ptr(), flags, &st) != 0 || !fs.mounts.get(d.mnt).is(&st) {
		return victim{}
	}
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return victim{}
	}
	id := identOf(&st, d.mnt)
	k, n := fs.retain(&id)
	if n == nil {
		return victim{}
	}
	if _, e := fs.hold(n); e != 0 {
		fs.Forget(vfs.Key(k), 1)
		return victim{}
	}
	return victim{vfs.Key(k), n}
}

// spared ends it. A client whose kernel sends no OPEN may have the file open: then nothing else keeps it.
func (fs *FS) spared(op *vfs.Op, v victim) {
	if v.n == nil {
		return
	}
	var st unix.Statx_t
	if noOpen(op) && statFD(int(v.n.fd.Load()), &st) == 0 && st.Nlink == 0 {
		v.n.use.Or(useKept)
	}
	fs.unhold(v.n)
	fs.Forget(v.k, 1)
}

// noOpen says whether the client's kernel leaves OPEN out.
func noOpen(op *vfs.Op) bool {
	return op.Conn().Negotiated().Flags&abi.InitNoOpenSupport != 0
}

// keep has a nameless file's descriptor for life.
func (fs *FS) keep(n *inode) vfs.Errno {
	_, e := fs.hold(n)
	if e == 0 {
		n.use.Or(useKept)
		fs.unhold(n)
	}
	return e
}
