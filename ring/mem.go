package ring

import (
	"fmt"
	"os"
)

// Alloc gives n bytes of zeroed memory outside the Go heap, page aligned: the kernel may hold its address while Go
// forgets it. cap is n rounded up to pages. Pages appear when they are first touched.
func Alloc(n int) ([]byte, error) { return alloc(n, false) }

// AllocPopulated is Alloc with every page present from the start: no page fault later.
func AllocPopulated(n int) ([]byte, error) { return alloc(n, true) }

func alloc(n int, populate bool) ([]byte, error) {
	page := os.Getpagesize()
	if n <= 0 {
		return nil, fmt.Errorf("ring: alloc: %d is not a size", n)
	}
	b, err := sysMapAnon((n+page-1)&^(page-1), populate)
	if err != nil {
		return nil, fmt.Errorf("ring: alloc %d bytes: %w", n, err)
	}
	return b[:n], nil
}

// Free gives memory of Alloc back. b is the slice Alloc returned, or one with the same start and capacity. No operation
// may be in flight that uses it.
func Free(b []byte) error {
	if cap(b) == 0 {
		return nil
	}
	return sysUnmap(b[:cap(b)])
}
