//go:build linux

package passthrough

import (
	"sync"
	"time"
)

// How long a waiter lets pass between two attempts against a process of the host.
const (
	retryFirst = time.Millisecond
	retryMax   = 50 * time.Millisecond
)

// lockRetry is the one goroutine of a file system that does what loops may not: attempts of waiters that processes of the host keep
// waiting, closes that may take long, and the clearing of queues. It runs while there is something to do.
type lockRetry struct {
	mu      sync.Mutex
	due     map[*fileLocks]*retryTime // each pins its key; guarded by mu
	running bool                      // guarded by mu
	wake    chan struct{}
}

type retryTime struct {
	at    time.Time
	delay time.Duration
}

// schedule has f looked after in d, or earlier where that was asked for. f is pinned by the caller.
func (r *lockRetry) schedule(t *lockTable, f *fileLocks, d time.Duration) {
	at := time.Now().Add(d)
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.due[f]; x == nil {
		if r.due == nil {
			r.due = make(map[*fileLocks]*retryTime)
			r.wake = make(chan struct{}, 1)
		}
		t.pin(f)
		r.due[f] = &retryTime{at, max(d, retryFirst)}
	} else if at.Before(x.at) {
		x.at = at
	} else {
		return
	}
	if !r.running {
		r.running = true
		go r.run(t)
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *lockRetry) run(t *lockTable) {
	var work []*fileLocks
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var next time.Time
		work, next = r.take(work[:0])
		if len(work) == 0 && next.IsZero() {
			return
		}
		if len(work) == 0 {
			timer.Reset(time.Until(next))
			select {
			case <-timer.C:
			case <-r.wake:
			}
			continue
		}
		for _, f := range work {
			r.tend(t, f)
		}
		clear(work)
	}
}

// take lists the files that are due and says when the next one is; neither: the goroutine has ended.
func (r *lockRetry) take(work []*fileLocks) ([]*fileLocks, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var next time.Time
	for f, x := range r.due {
		if !x.at.After(now) {
			work = append(work, f)
			x.at = now.Add(time.Hour) // until tend says otherwise
		} else if next.IsZero() || x.at.Before(next) {
			next = x.at
		}
	}
	if len(r.due) == 0 {
		r.running = false
	}
	return work, next
}

// tend does what is due at f.
func (r *lockRetry) tend(t *lockTable, f *fileLocks) {
	var done []lockDone
	f.mu.Lock()
	t.closeDown(f)
	t.doPosts(f, true, &done)
	foreign := t.grant(f, true, &done)
	r.again(f, foreign)
	t.unlock(f, done)
	if !foreign {
		r.forget(t, f)
	}
}

// again sets the time of the next attempt.
func (r *lockRetry) again(f *fileLocks, foreign bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.due[f]; foreign {
		x.delay = min(2*x.delay, retryMax)
		x.at = time.Now().Add(x.delay)
	}
}

// forget drops f, unless it was scheduled again meanwhile.
func (r *lockRetry) forget(t *lockTable, f *fileLocks) {
	r.mu.Lock()
	x := r.due[f]
	gone := x != nil && time.Until(x.at) > retryMax
	if gone {
		delete(r.due, f)
	}
	r.mu.Unlock()
	if gone {
		t.put(f)
	}
}
