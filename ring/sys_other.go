//go:build !linux

package ring

import (
	"syscall"
	"unsafe"
)

// errTime stands for ETIME, which not every system has; no call here returns it.
const errTime = syscall.Errno(0x7fff)

func gettid() int { return 0 }

func sysSetup(uint32, *params) (int, syscall.Errno) { return -1, syscall.ENOSYS }

func sysEnterRaw(int, uint32, uint32) (int, syscall.Errno) { return -1, syscall.ENOSYS }

func sysEnter(int, uint32, uint32, uint32, *waitArg) (int, syscall.Errno) { return -1, syscall.ENOSYS }

func sysRegister(int, RegisterOp, unsafe.Pointer, uint32) (int, syscall.Errno) {
	return -1, syscall.ENOSYS
}

func sysRegisterRaw(int, RegisterOp, unsafe.Pointer, uint32) syscall.Errno { return syscall.ENOSYS }

func sysMap(int, int64, int) ([]byte, error) { return nil, syscall.ENOSYS }

func sysMapAnon(int, bool) ([]byte, error) {
	return nil, &UnsupportedError{"memory for io_uring", "5.11"}
}

func sysUnmap([]byte) error { return syscall.ENOSYS }

func sysClose(int) error { return syscall.ENOSYS }

func permHint() string { return "not Linux" }

func sysRelease() string { return "" }
