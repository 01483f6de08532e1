//go:build linux

package ring

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// configs are the shapes of ring that are used somewhere.
var configs = map[string]Config{
	"plain":      {},
	"loop":       {Flags: loopFlags},
	"fuse":       {Flags: loopFlags | SetupSQE128},
	"big":        {Flags: loopFlags | SetupSQE128 | SetupCQE32},
	"cqe32":      {Flags: SetupCQE32},
	"no array":   {Flags: loopFlags | SetupNoSQArray},
	"coop":       {Flags: SetupCoopTaskrun | SetupTaskrunFlag | SetupSingleIssuer},
	"restricted": {Flags: loopFlags, Restrictions: &Restrictions{Ops: []Op{OpNop}}},
}

func TestNopBatches(t *testing.T) {
	for name, cfg := range configs {
		for _, registered := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				r := newRing(t, cfg)
				if registered {
					if err := r.RegisterRingFd(); err != nil {
						t.Fatal(err)
					}
				}
				ud := uint64(0)
				for round := range 50 {
					nopBatch(t, r, 1+round%16, &ud)
				}
			})
		}
	}
}

func nopBatch(t *testing.T, r *Ring, n int, ud *uint64) {
	t.Helper()
	for i := range n {
		sqe(t, r).Nop().SetUserData(*ud + uint64(i))
	}
	if got := r.Pending(); got != uint32(n) {
		t.Fatalf("pending %d, want %d", got, n)
	}
	if got, err := r.Submit(); err != nil || got != n {
		t.Fatalf("Submit: %d, %v, want %d", got, err, n)
	}
	if r.Ready() != uint32(n) || r.Pending() != 0 {
		t.Fatalf("ready %d, pending %d, want %d and 0", r.Ready(), r.Pending(), n)
	}
	for i := range n {
		if c := r.CQE(uint32(i)); c.UserData != *ud+uint64(i) || c.Res != 0 {
			t.Fatalf("completion %d is %+v, want user data %d", i, *c, *ud+uint64(i))
		}
	}
	r.Advance(uint32(n))
	*ud += uint64(n)
}

func TestQueueFull(t *testing.T) {
	r := newRing(t, Config{Entries: 8, Flags: loopFlags})
	for range 8 {
		sqe(t, r).Nop()
	}
	if r.Get() != nil {
		t.Fatal("a ninth entry in a queue of eight")
	}
	if n, err := r.Submit(); n != 8 || err != nil {
		t.Fatalf("Submit: %d, %v", n, err)
	}
	if r.Get() == nil {
		t.Fatal("no entry after the queue was submitted")
	}
}

func TestWaitTimesOut(t *testing.T) {
	r := newRing(t, Config{Flags: loopFlags})
	var longest time.Duration
	for range 5 { // a signal may end one wait early
		start := time.Now()
		if n, err := r.SubmitAndWait(1, int64(20*time.Millisecond)); n != 0 || err != nil {
			t.Fatalf("SubmitAndWait: %d, %v", n, err)
		}
		longest = max(longest, time.Since(start))
	}
	if longest < 20*time.Millisecond {
		t.Fatalf("the longest of five waits of 20 ms took %v", longest)
	}
	if _, ok := r.Peek(); ok {
		t.Fatal("a completion out of nothing")
	}
}

func TestGetZeroes(t *testing.T) {
	r := newRing(t, Config{Entries: 1, Flags: loopFlags | SetupSQE128})
	s := sqe(t, r)
	for i := range s.Cmd() {
		s.Cmd()[i] = 0xff
	}
	s.Ioprio, s.Off, s.OpFlags, s.BufIndex, s.FileIndex = 0, 1, 0, 0, 0
	s.Nop().SetUserData(7)
	_, _ = r.Submit()
	r.Advance(r.Ready())
	s = sqe(t, r)
	if *s != (SQE{}) {
		t.Fatalf("the entry carries %+v over", *s)
	}
	for i, b := range s.Cmd() {
		if b != 0 {
			t.Fatalf("byte %d of the command carries %#x over", i, b)
		}
	}
}

func TestSetupErrors(t *testing.T) {
	if _, err := New(Config{Entries: 0}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("no entries: %v", err)
	}
	if _, err := New(Config{Entries: 1, Flags: SetupDeferTaskrun}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("DEFER_TASKRUN alone: %v", err)
	}
	if _, err := New(Config{Entries: 1, Flags: setupSQPoll}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("polled: %v", err)
	}
	if err := setupError(Config{}, syscall.ENOSYS); !errors.Is(err, ErrNotSupported) {
		t.Errorf("ENOSYS: %v", err)
	}
	if err := setupError(Config{}, syscall.EPERM); !errors.Is(err, syscall.EPERM) {
		t.Errorf("EPERM: %v", err)
	}
}

func TestCloseTwice(t *testing.T) {
	r := newRing(t, Config{})
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r.Get() != nil || r.Ready() != 0 {
		t.Fatal("a closed ring gives entries or completions")
	}
	if _, err := r.Submit(); !errors.Is(err, ErrClosed) {
		t.Fatalf("Submit: %v", err)
	}
}
