package ring

import "unsafe"

// Addr is the address of b's first byte, 0 for an empty b. Preconditions: b is from Alloc.
func Addr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
