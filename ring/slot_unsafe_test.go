//go:build linux

package ring

import (
	"testing"
	"unsafe"
)

// releaseSlot frees a registered ring fd whose ring was closed elsewhere.
func releaseSlot(t *testing.T, slot ringFdUpdate) {
	t.Helper()
	r, err := New(Config{Entries: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, errno := sysRegister(r.fd, RegUnregRingFds, unsafe.Pointer(&slot), 1); errno != 0 {
		t.Errorf("the slot was gone: %v", errno)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
