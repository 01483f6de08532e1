//go:build linux

package fusedev

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

// rawReply is the largest reply whose write is short enough to keep the processor meanwhile, bytes.
const rawReply = 64 << 10

// writeDevice writes one reply. It never waits for the reader, only copies.
func writeDevice(fd int, out []byte) unix.Errno {
	for {
		var e unix.Errno
		if len(out) <= rawReply {
			_, _, e = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&out[0])), uintptr(len(out)))
		} else {
			_, _, e = unix.Syscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&out[0])), uintptr(len(out)))
		}
		if e != unix.EINTR {
			return e
		}
	}
}

// readDevice reads one request; it may wait as long as there is none.
func readDevice(fd int, in []byte) (int, unix.Errno) {
	n, _, e := unix.Syscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&in[0])), uintptr(len(in)))
	return int(n), e
}

// outHeader is the header at the start of a reply. Preconditions: out has OutHeaderSize bytes and is 8-byte aligned.
func outHeader(out []byte) *abi.OutHeader { return (*abi.OutHeader)(unsafe.Pointer(&out[0])) }
