//go:build linux

package vring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Eventfds of front-ends do not block (nonblock), so the Go scheduler is not told of these calls.

// drainEvent resets an eventfd's counter.
func drainEvent(fd int) {
	var n uint64
	unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&n)), 8)
}

// signalEvent raises an eventfd, if there is one. A counter at its limit says the same as one more.
func signalEvent(fd int) {
	if fd < 0 {
		return
	}
	n := uint64(1)
	unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&n)), 8)
}
