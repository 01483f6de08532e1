//go:build linux

package passthrough

import (
	"encoding/binary"
	"structs"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// fileHandle is struct file_handle with room for handleMax bytes.
type fileHandle struct {
	_ structs.HostLayout

	bytes uint32
	typ   int32
	data  [handleMax]byte
}

var emptyPath = [1]byte{}

// of asks for the handle of an open file; EOVERFLOW where it is longer than handleMax.
func (h *fileHandle) of(fd int) vfs.Errno {
	h.bytes = handleMax
	var mnt int32
	_, _, e := unix.RawSyscall6(unix.SYS_NAME_TO_HANDLE_AT, uintptr(fd), uintptr(unsafe.Pointer(&emptyPath)),
		uintptr(unsafe.Pointer(h)), uintptr(unsafe.Pointer(&mnt)), unix.AT_EMPTY_PATH, 0)
	return vfs.Errno(e)
}

// at asks for the handle of what st has just shown under a name. False: there is none, or the name may stand for something else by now.
// A handle that is not known to hold the inode number proves nothing: whoever can swap two names would get the one file
// under the other's attributes.
func (h *fileHandle) at(dfd int, name vfs.Name, m *mount, st *unix.Statx_t) bool {
	h.bytes = handleMax
	var mnt int32
	_, _, e := unix.Syscall6(unix.SYS_NAME_TO_HANDLE_AT, uintptr(dfd), uintptr(unsafe.Pointer(name.Ptr())),
		uintptr(unsafe.Pointer(h)), uintptr(unsafe.Pointer(&mnt)), 0, 0)
	if e != 0 || mnt != int32(st.Mnt_id) {
		return false
	}
	ino, ok := h.ino(m.magic)
	return ok && ino == st.Ino
}

// fileidIno32Gen is FILEID_INO32_GEN (include/linux/exportfs.h).
const fileidIno32Gen = 1

// ino is the inode number in a handle of a file system whose handles are known: generic_encode_ino32_fh, shmem_encode_fh.
func (h *fileHandle) ino(magic uint32) (uint64, bool) {
	word := func(i int) uint64 { return uint64(binary.NativeEndian.Uint32(h.data[4*i:])) }
	switch {
	case h.typ != fileidIno32Gen:
	case magic == magicTmpfs && h.bytes == 12:
		return word(1) | word(2)<<32, true
	case (magic == magicExt4 || magic == magicF2FS || magic == magicXFS) && h.bytes == 8:
		return word(0), true
	}
	return 0, false
}

// open opens the file of a handle on a mount.
func (h *fileHandle) open(mountFD, flags int) (int, vfs.Errno) {
	fd, _, e := unix.Syscall(unix.SYS_OPEN_BY_HANDLE_AT, uintptr(mountFD), uintptr(unsafe.Pointer(h)), uintptr(flags|unix.O_CLOEXEC))
	return int(fd), vfs.Errno(e)
}

// openHandle opens an inode by its handle.
func (fs *FS) openHandle(n *inode, flags int) (int, vfs.Errno) {
	if n.hlen == 0 {
		return -1, vfs.ESTALE
	}
	h := fileHandle{bytes: uint32(n.hlen), typ: n.htype, data: n.handle}
	m := fs.mounts.get(n.mnt)
	fd, e := h.open(m.fd, flags)
	if e == vfs.EMFILE || e == vfs.ENFILE {
		if fs.evict(64) > 0 {
			fd, e = h.open(m.fd, flags)
		}
	}
	return fd, full(e)
}

// full tells the client that the server, not its caller, has run out of descriptors.
func full(e vfs.Errno) vfs.Errno {
	if e == vfs.EMFILE {
		return vfs.ENFILE
	}
	return e
}

// procPath is "/proc/self/fd/N", a C string, without an allocation.
type procPath [32]byte

func (p *procPath) set(fd int) *byte {
	n := copy(p[:], "/proc/self/fd/")
	var d [12]byte
	i := len(d)
	for ok := true; ok; ok = fd > 0 {
		i--
		d[i] = byte('0' + fd%10)
		fd /= 10
	}
	n += copy(p[n:], d[i:])
	p[n] = 0
	return &p[0]
}

// openProc opens what an O_PATH descriptor stands for. Not for symlinks.
func openProc(fd, flags int) (int, vfs.Errno) {
	var p procPath
	at := unix.AT_FDCWD
	r, _, e := unix.Syscall6(unix.SYS_OPENAT, uintptr(at), uintptr(unsafe.Pointer(p.set(fd))), uintptr(flags|unix.O_CLOEXEC), 0, 0, 0)
	return int(r), vfs.Errno(e)
}

// reopen opens an inode for real: a regular file or a directory, nothing else. flags are those of open(2).
func (fs *FS) reopen(n *inode, flags int) (int, vfs.Errno) {
	if n.typ != unix.S_IFREG && n.typ != unix.S_IFDIR {
		return -1, vfs.ENXIO
	}
	flags = flags&^(unix.O_CREAT|unix.O_EXCL|unix.O_NOCTTY|unix.O_PATH|unix.O_NOFOLLOW|unix.O_ASYNC) | unix.O_CLOEXEC
	if flags&unix.O_TMPFILE == unix.O_TMPFILE {
		return -1, vfs.EINVAL
	}
	if n.hlen != 0 && n.fd.Load() < 0 {
		return fs.openHandle(n, flags)
	}
	p, e := fs.hold(n)
	if e != 0 {
		return -1, e
	}
	defer fs.unhold(n)
	fd, e := openProc(p, flags)
	if e == vfs.EMFILE || e == vfs.ENFILE {
		if fs.evict(64) > 0 {
			fd, e = openProc(p, flags)
		}
	}
	return fd, full(e)
}
