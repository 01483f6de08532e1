//go:build linux

package ring

import (
	"runtime"
	"testing"
	"time"
)

// A loop which sleeps in the kernel, and one which polls without ever giving its P away, must not hold up the garbage
// collector. The fault this guards against does not show as slowness: the collector waits until an event happens to
// come, here for ever. So the limit is generous.
func TestCollectorNeedNotWaitForLoops(t *testing.T) {
	const limit = 20 * time.Second
	wait := func(r *Ring) error { _, err := r.SubmitAndWait(1, -1); return err }
	limited := func(r *Ring) error { _, err := r.SubmitAndWait(1, int64(time.Hour)); return err }
	poll := func(r *Ring) error { _, err := r.Submit(); return err }
	fds := make(chan int)
	ended := make(chan error)
	loops := []func(*Ring) error{wait, limited, wait, poll}
	for _, turn := range loops {
		go func() { ended <- runLoop(turn, fds) }()
	}
	var wake []int
	for range loops {
		wake = append(wake, <-fds)
	}
	collected := make(chan struct{})
	go func() {
		var m runtime.MemStats
		for range 3 {
			runtime.GC()
			runtime.ReadMemStats(&m)
		}
		close(collected)
	}()
	select {
	case <-collected:
	case <-time.After(limit):
		t.Error("the collector waited for a loop")
	}
	for _, fd := range wake {
		if err := SendMsgRing(fd, 0, 0); err != nil {
			t.Error(err)
		}
	}
	for range loops {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// runLoop takes turns until a completion comes.
func runLoop(turn func(*Ring) error, fds chan<- int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, err := New(Config{Entries: 8, Flags: loopFlags})
	if err != nil {
		fds <- -1
		return err
	}
	fds <- r.Fd()
	for r.Ready() == 0 {
		if err := turn(r); err != nil {
			return err
		}
	}
	return r.Close()
}
