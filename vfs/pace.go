package vfs

import (
	"sync/atomic"
	"time"
)

// PaceClass says what is known of a superblock beforehand.
type PaceClass uint8

const (
	PaceLocal  PaceClass = iota // a local disk: calls run on a loop while they have been quick
	PaceMemory                  // tmpfs and the like: calls never wait
	PaceRemote                  // a network, FUSE or unknown file system: calls never run on a loop
)

const (
	slowCall   = 200 * time.Microsecond // a call that took longer was slow
	slowWindow = 200 * time.Millisecond // two slow calls this close together close the loop to the superblock
	slowRest   = 100 * time.Millisecond // for so long
)

// Pace decides whether calls that cannot be told not to wait (unlink, mkdir, buffered writes) run on a loop: they do
// while the recent calls on that superblock were quick. Any thread may use it.
type Pace struct {
	Class     PaceClass
	lastSlow  atomic.Int64 // ns on the process's clock
	slowUntil atomic.Int64
}

var clockBase = time.Now()

// Clock is a monotonic time in ns.
func Clock() int64 { return int64(time.Since(clockBase)) }

// Begin says whether a call may run on a loop now and gives the time for End. A nil Pace never lets it.
func (p *Pace) Begin() (start int64, ok bool) {
	if p == nil || p.Class == PaceRemote {
		return 0, false
	}
	if p.Class == PaceMemory {
		return 0, true
	}
	start = Clock()
	return start, start >= p.slowUntil.Load()
}

// End notes how long a call took that Begin allowed.
func (p *Pace) End(start int64) {
	if start == 0 {
		return
	}
	now := Clock()
	if now-start < int64(slowCall) {
		return
	}
	// One slow call may be this thread having been preempted; two in a row are the disk.
	if last := p.lastSlow.Swap(now); last != 0 && now-last < int64(slowWindow) {
		p.slowUntil.Store(now + int64(slowRest))
	}
}
