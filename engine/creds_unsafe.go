//go:build linux

package engine

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// threadGroups are the calling thread's supplementary groups.
func threadGroups() ([]uint32, error) {
	n, _, e := unix.RawSyscall(unix.SYS_GETGROUPS, 0, 0, 0)
	if e != 0 || n == 0 {
		return nil, errOrNil(e)
	}
	g := make([]uint32, n)
	n, _, e = unix.RawSyscall(unix.SYS_GETGROUPS, n, uintptr(unsafe.Pointer(&g[0])), 0)
	return g[:n], errOrNil(e)
}

func errOrNil(e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

// setThreadGroups changes the calling thread only.
func setThreadGroups(g []uint32) {
	unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(g)), uintptr(unsafe.Pointer(unsafe.SliceData(g))), 0)
}
