//go:build linux

package ring

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const errTime = unix.ETIME

func gettid() int { return unix.Gettid() }

func sysSetup(entries uint32, p *params) (int, syscall.Errno) {
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
	return int(fd), errno
}

// sysEnterRaw is io_uring_enter(2) with min_complete 0, which does not sleep.
func sysEnterRaw(fd int, submit, flags uint32) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(fd), uintptr(submit), 0, uintptr(flags), 0, 0)
	return int(n), errno
}

// sysEnter is io_uring_enter(2) which may sleep.
func sysEnter(fd int, submit, minComplete, flags uint32, arg *waitArg) (int, syscall.Errno) {
	size := uintptr(0)
	if arg != nil {
		size = waitArgSize
	}
	n, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(fd), uintptr(submit), uintptr(minComplete), uintptr(flags), uintptr(unsafe.Pointer(arg)), size)
	runtime.KeepAlive(arg)
	return int(n), errno
}

// sysRegister is io_uring_register(2). arg may be nil; what it points to must be pinned if it holds addresses.
func sysRegister(fd int, op RegisterOp, arg unsafe.Pointer, n uint32) (int, syscall.Errno) {
	res, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(fd), uintptr(op), uintptr(arg), uintptr(n), 0, 0)
	return int(res), errno
}

// sysRegisterRaw is sysRegister for what does not sleep.
func sysRegisterRaw(fd int, op RegisterOp, arg unsafe.Pointer, n uint32) syscall.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_REGISTER, uintptr(fd), uintptr(op), uintptr(arg), uintptr(n), 0, 0)
	return errno
}

func sysMap(fd int, off int64, size int) ([]byte, error) {
	return unix.Mmap(fd, off, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
}

func sysMapAnon(size int, populate bool) ([]byte, error) {
	flags := unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	if populate {
		flags |= unix.MAP_POPULATE
	}
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, flags)
}

func sysUnmap(b []byte) error {
	if err := unix.Munmap(b); err != nil {
		return fmt.Errorf("ring: unmap: %w", err)
	}
	return nil
}

// sysRelease is the kernel's release, such as "6.18.44".
func sysRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func sysClose(fd int) error { return unix.Close(fd) }

// permHint says where io_uring was forbidden, as far as that can be seen.
func permHint() string {
	const path = "/proc/sys/kernel/io_uring_disabled"
	b, err := os.ReadFile(path)
	switch v := strings.TrimSpace(string(b)); {
	case err != nil:
		return "a seccomp filter or a security module; run without it"
	case v == "2":
		return "sysctl kernel.io_uring_disabled is 2, set it to 0"
	case v == "1":
		return "sysctl kernel.io_uring_disabled is 1, set it to 0, run with CAP_SYS_ADMIN, or join kernel.io_uring_group"
	default:
		return "sysctl kernel.io_uring_disabled is " + v + ", so a seccomp filter or a security module; container run-times forbid io_uring by default"
	}
}
