//go:build linux

package ring

import (
	"errors"
	"runtime"
	"syscall"
	"testing"
)

// onOtherThread runs f on a thread of its own.
func onOtherThread(f func()) {
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer close(done)
		defer runtime.UnlockOSThread()
		f()
	}()
	<-done
}

func TestOtherThreadIsRefused(t *testing.T) {
	defer func(old bool) { debug = old }(debug)
	debug = false // the kernel's answer, not the package's
	r := newRing(t, Config{Flags: loopFlags})
	onOtherThread(func() {
		if _, err := r.Submit(); err == nil {
			t.Error("another thread may submit")
		} else if !errors.Is(err, syscall.EEXIST) {
			t.Errorf("submit from another thread: %v", err)
		}
	})
}

func TestDebugAssertsTheOwner(t *testing.T) {
	r := newRing(t, Config{Flags: loopFlags})
	defer func(old bool) { debug = old }(debug)
	debug = true
	sqe(t, r).Nop()
	want(t, r, 0, 0)
	onOtherThread(func() {
		defer func() {
			if recover() == nil {
				t.Error("another thread may take an entry")
			}
		}()
		r.Get()
	})
	defer func() {
		if recover() == nil {
			t.Error("advance past the ready completions")
		}
	}()
	r.Advance(1)
}

// Closed on another thread, a ring must not take the slot of that thread's own ring.
func TestCloseOnOtherThreadLeavesItsSlotAlone(t *testing.T) {
	r, err := New(Config{Entries: 2})
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := r.RegisterRingFd(); err != nil {
		t.Fatal(err)
	}
	slot := ringFdUpdate{offset: uint32(r.enterFd)}
	onOtherThread(func() {
		other := newRing(t, Config{Entries: 2})
		if err := other.RegisterRingFd(); err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		other.Get().Nop().SetUserData(1)
		if _, err := other.Submit(); err != nil || other.Ready() != 1 {
			t.Errorf("the other thread's ring: %v", err)
		}
		other.Advance(1)
	})
	releaseSlot(t, slot)
}
