//go:build linux

package ring

import (
	"os"
	"testing"
)

func TestAlloc(t *testing.T) {
	page := os.Getpagesize()
	for _, alloc := range []func(int) ([]byte, error){Alloc, AllocPopulated} {
		for _, n := range []int{1, page - 1, page, page + 1, 1 << 20} {
			b, err := alloc(n)
			if err != nil {
				t.Fatal(err)
			}
			if len(b) != n || cap(b)%page != 0 || cap(b) < n || cap(b)-n >= page || Addr(b)%uintptr(page) != 0 {
				t.Errorf("alloc of %d: length %d, capacity %d, address %#x", n, len(b), cap(b), Addr(b))
			}
			for i := range b {
				if b[i] != 0 {
					t.Fatalf("byte %d of %d is %#x", i, n, b[i])
				}
				b[i] = 0xff
			}
			if err := Free(b[:0]); err != nil {
				t.Errorf("free of %d: %v", n, err)
			}
		}
	}
	for _, n := range []int{0, -1} {
		if _, err := Alloc(n); err == nil {
			t.Errorf("alloc of %d", n)
		}
	}
	if err := Free(nil); err != nil {
		t.Errorf("free of nothing: %v", err)
	}
	if Addr(nil) != 0 {
		t.Error("nothing has an address")
	}
}

func TestFreeOfAPartIsRefused(t *testing.T) {
	b := alloc4k(t)
	if err := Free(b[64:]); err == nil {
		t.Fatal("memory was freed from the middle")
	}
}
