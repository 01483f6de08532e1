//go:build linux

package driver

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reserve takes n bytes of address space.
func reserve(n int) ([]byte, error) {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(n), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), n), nil
}

// mapMemfd maps a new memfd of n bytes at an address that was reserved.
func mapMemfd(at uint64, n int64) (int, error) {
	fd, err := unix.MemfdCreate("guest-memory", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("memfd: %w", err)
	}
	if err := unix.Ftruncate(fd, n); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("memfd of %d bytes: %w", n, err)
	}
	_, err = unix.MmapPtr(fd, 0, pointer(at), uintptr(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED)
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("map a memfd of %d bytes: %w", n, err)
	}
	return fd, nil
}

func unmap(b []byte) { unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b))) }

// pointer makes an address of reserved memory, which is none of Go's, one that a system call takes.
func pointer(at uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&at)) }

func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

// Views of guest memory. Precondition: b is aligned as the element needs.

func words(b []byte) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

func halves(b []byte) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}

func descs(b []byte) []desc {
	return unsafe.Slice((*desc)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/descSize)
}

func packedDescs(b []byte) []packedDesc {
	return unsafe.Slice((*packedDesc)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/descSize)
}
