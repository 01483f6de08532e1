//go:build linux

package ring

import (
	"encoding/binary"
	"errors"
	"runtime"
	"testing"
	"time"
)

const (
	alarmSec  = 20 // each loop's alarm; the fault below shows as waiting for it
	alarmData = 1
	wakeData  = 2
)

// A loop which sleeps in the kernel, and one which polls without ever giving its P away, must not hold up the garbage
// collector. The fault this guards against does not show as slowness: the collector, and with it every goroutine,
// waits until an event happens to come. So each loop has an alarm, which the kernel rings and no goroutine has to run
// for, and a collection that needed one has failed.
func TestCollectorNeedNotWaitForLoops(t *testing.T) {
	wait := func(r *Ring) error { _, err := r.SubmitAndWait(1, -1); return err }
	limited := func(r *Ring) error { _, err := r.SubmitAndWait(1, int64(time.Hour)); return err }
	poll := func(r *Ring) error { _, err := r.Submit(); return err }
	fds := make(chan int)
	ended := make(chan error)
	loops := []func(*Ring) error{wait, limited, wait, poll}
	for _, turn := range loops {
		mem := alloc4k(t)
		go func() { ended <- runLoop(turn, mem, fds) }()
	}
	var wake []int
	for range loops {
		wake = append(wake, <-fds)
	}
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
		runtime.ReadMemStats(&m)
	}
	for _, fd := range wake {
		if err := SendMsgRing(fd, wakeData, 0); err != nil {
			t.Error(err)
		}
	}
	for range loops {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// runLoop takes turns until a completion comes, which must not be the alarm.
func runLoop(turn func(*Ring) error, mem []byte, fds chan<- int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, err := New(Config{Entries: 8, Flags: loopFlags})
	if err != nil {
		fds <- -1
		return err
	}
	binary.NativeEndian.PutUint64(mem, alarmSec)
	r.Get().Timeout(Addr(mem), 0, 0).SetUserData(alarmData)
	fds <- r.Fd()
	for r.Ready() == 0 {
		if err := turn(r); err != nil {
			return errors.Join(err, r.Close())
		}
	}
	if c, _ := r.Peek(); c.UserData != wakeData {
		err = errors.New("the loop was only ended by its alarm: the collector waited for it")
	}
	return errors.Join(err, r.Close())
}
