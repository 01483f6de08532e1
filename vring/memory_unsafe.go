//go:build linux

package vring

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/ring"
)

// mapShared maps n bytes of fd from offset. Guest memory stays out of core dumps. NORESERVE: huge pages belong to the
// front-end, which reserved them, or chose not to.
func mapShared(fd int, offset int64, n uintptr) (uintptr, error) {
	p, err := unix.MmapPtr(fd, offset, nil, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		return 0, err
	}
	// Safety: the n bytes at p are the new mapping. A kernel that cannot leave it out of a dump is no error.
	_ = unix.Madvise(unsafe.Slice((*byte)(p), n), unix.MADV_DONTDUMP)
	return uintptr(p), nil
}

// mapNothing replaces n mapped bytes at base by pages that cannot be touched. The addresses stay taken.
func mapNothing(base, n uintptr) error {
	_, err := unix.MmapPtr(-1, 0, pointer(base), n, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE|unix.MAP_FIXED)
	return err
}

func unmap(base, n uintptr) error { return unix.MunmapPtr(pointer(base), n) }

// pointer is the pointer to an address outside the Go heap, which no garbage collector looks at.
func pointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// view is n bytes of a mapping.
// Preconditions: they lie inside one.
func view(base, n uintptr) []byte { return unsafe.Slice((*byte)(pointer(base)), n) }

// address is where b, a view, lies.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// memory is what an Iovec of a chain names.
func memory(v ring.Iovec) []byte { return view(v.Base, v.Len) }

// word is the 32-bit word at b[off:], which the peer reads and writes meanwhile.
// Preconditions: it is aligned.
func word(b []byte, off uint32) *atomic.Uint32 {
	_ = b[off : off+4]
	return (*atomic.Uint32)(unsafe.Pointer(&b[off]))
}

// half is the 16-bit word at b[off:]. Go has no atomics of this size; a plain access of an aligned one is never torn.
func half(b []byte, off uint32) *uint16 {
	_ = b[off : off+2]
	return (*uint16)(unsafe.Pointer(&b[off]))
}
