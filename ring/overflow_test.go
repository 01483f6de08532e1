//go:build linux

package ring

import (
	"syscall"
	"testing"
)

// More completions than the queue holds: the kernel keeps the rest, and every one arrives, once and in order.
func TestOverflow(t *testing.T) {
	for _, flags := range []uint32{0, loopFlags} {
		r := newRing(t, Config{Entries: 8, CQEntries: 8, Flags: flags})
		const total = 100
		sent, got := 0, 0
		for turn := 0; got < total; turn++ {
			if turn > 10*total {
				t.Fatalf("stuck: %d sent, %d came back", sent, got)
			}
			for sent < total {
				s := r.Get()
				if s == nil {
					break
				}
				s.Nop().SetUserData(uint64(sent))
				sent++
			}
			if _, err := r.Submit(); err != nil {
				t.Fatal(err)
			}
			if turn%4 != 3 { // reap every fourth turn only
				continue
			}
			if r.Ready() > r.CQEntries() {
				t.Fatalf("%d ready in a queue of %d", r.Ready(), r.CQEntries())
			}
			for n := r.Ready(); n > 0; n-- {
				if c := r.CQE(0); c.UserData != uint64(got) {
					t.Fatalf("completion %d came at place %d", c.UserData, got)
				}
				got++
				r.Advance(1)
			}
		}
		if r.Dropped() != 0 {
			t.Fatalf("%d completions lost", r.Dropped())
		}
	}
}

// A wait for what is there already must not sleep, even when part of it is in the kernel's overflow list.
func TestWaitWithOverflow(t *testing.T) {
	r := newRing(t, Config{Entries: 8, CQEntries: 8, Flags: loopFlags})
	for range 16 {
		if s := r.Get(); s == nil {
			_, _ = r.Submit()
			s = sqe(t, r)
			s.Nop()
		} else {
			s.Nop()
		}
	}
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	for got := uint32(0); got < 16; {
		if _, err := r.SubmitAndWait(min(8, 16-got), -1); err != nil {
			t.Fatal(err)
		}
		got += r.Ready()
		r.Advance(r.Ready())
	}
}

// What the kernel's refusals become.
func TestBusyIsNoErrorWhileThereIsSomethingToReap(t *testing.T) {
	r := newRing(t, Config{Flags: loopFlags})
	for _, errno := range []syscall.Errno{syscall.EBUSY, syscall.EAGAIN} {
		if _, err := r.result(0, errno); err != errno {
			t.Errorf("%v with nothing ready: %v", errno, err)
		}
	}
	sqe(t, r).Nop()
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	for _, errno := range []syscall.Errno{syscall.EBUSY, syscall.EAGAIN, syscall.EINTR, syscall.ETIME} {
		if n, err := r.result(0, errno); n != 0 || err != nil {
			t.Errorf("%v: %d, %v", errno, n, err)
		}
	}
	if _, err := r.result(0, syscall.EBADR); err != syscall.EBADR {
		t.Errorf("EBADR became %v", err)
	}
}
