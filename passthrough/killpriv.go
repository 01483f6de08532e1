//go:build linux

package passthrough

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// Under HANDLE_KILLPRIV_V2 the client's kernel leaves it to the server to take suid and sgid away where a stranger writes. The host does
// that for whoever lacks CAP_FSETID; security.capability it takes away at every write, whoever writes.

// suid says whether a file has bits that a write by a stranger takes away.
func suid(fd int) bool {
	var st unix.Statx_t
	return statFD(fd, &st) != 0 || st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0
}

// writeKill writes without the right to keep suid and sgid. It may wait.
func (fs *FS) writeKill(op *vfs.Op, fd int, off int64, data []byte, rwf uint32) (vfs.Payload, vfs.Errno) {
	dropped, e := fs.creds.dropFsetid(op)
	if e != 0 {
		return vfs.Payload{}, e
	}
	defer fs.creds.restoreFsetid(op, dropped)
	for done := 0; ; {
		n, e := pwritev2(fd, data[done:], off+int64(done), rwf)
		switch {
		case e == vfs.EINTR && (done > 0 || !op.Interrupted()):
			continue
		case e != 0 && done == 0:
			return vfs.Payload{}, e
		case e == 0:
			done += n
		}
		if e != 0 || n == 0 || done == len(data) {
			return op.Count(done), 0
		}
	}
}

func pwritev2(fd int, b []byte, off int64, rwf uint32) (int, vfs.Errno) {
	v := unix.Iovec{Base: unsafe.SliceData(b), Len: uint64(len(b))}
	n, _, e := unix.Syscall6(unix.SYS_PWRITEV2, uintptr(fd), uintptr(unsafe.Pointer(&v)), 1, uintptr(off), 0, uintptr(rwf))
	return int(n), vfs.Errno(e)
}
