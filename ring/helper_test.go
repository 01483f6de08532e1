//go:build linux

package ring

import (
	"runtime"
	"testing"
	"time"
)

const testDeadline = 20 * time.Second

// loopFlags are those of the engine's loops.
const loopFlags = SetupSingleIssuer | SetupDeferTaskrun | SetupSubmitAll

// newRing makes a ring for this test, whose goroutine stays on its thread, and closes it at the end.
func newRing(t testing.TB, cfg Config) *Ring {
	t.Helper()
	runtime.LockOSThread()
	if cfg.Entries == 0 {
		cfg.Entries = 16
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
	return r
}

// alloc is memory outside the Go heap for this test.
func alloc4k(t testing.TB) []byte {
	t.Helper()
	b, err := Alloc(4096)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Free(b); err != nil {
			t.Error(err)
		}
	})
	return b
}

// sqe is Get which must succeed.
func sqe(t testing.TB, r *Ring) *SQE {
	t.Helper()
	s := r.Get()
	if s == nil {
		t.Fatal("the submission queue is full")
	}
	return s
}

// next waits for one completion and takes it.
func next(t testing.TB, r *Ring) CQE {
	t.Helper()
	end := time.Now().Add(testDeadline)
	for time.Now().Before(end) {
		if _, err := r.SubmitAndWait(1, int64(time.Second)); err != nil {
			t.Fatal(err)
		}
		if c, ok := r.Peek(); ok {
			r.Advance(1)
			return c
		}
	}
	t.Fatal("no completion came")
	return CQE{}
}

// want takes one completion and checks its user data and result.
func want(t testing.TB, r *Ring, userData uint64, res int32) CQE {
	t.Helper()
	c := next(t, r)
	if c.UserData != userData || c.Res != res {
		t.Fatalf("completion %d with result %d, want %d with %d", c.UserData, c.Res, userData, res)
	}
	return c
}
