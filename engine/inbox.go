package engine

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fastfsd/fastfsd/ring"
)

// inbox is what other threads have for a loop: slots whose answer is ready, and functions to call.
type inbox struct {
	slots  atomic.Pointer[Slot] // last in, first out; taken as a whole
	asleep atomic.Bool          // the loop waits, or is about to: wake it
	calls  atomic.Int32         // len(funcs), to look at without the lock

	mu    sync.Mutex
	funcs []func(*Loop) // guarded by mu
}

// post brings a slot to its loop. Any thread.
func (l *Loop) post(s *Slot) {
	for {
		head := l.in.slots.Load()
		s.next = head
		if l.in.slots.CompareAndSwap(head, s) {
			break
		}
	}
	l.wake()
}

// Do has the loop call f soon, after what it was asked before. Any thread; not for the fast path: it allocates.
func (l *Loop) Do(f func(*Loop)) {
	l.in.mu.Lock()
	l.in.funcs = append(l.in.funcs, f)
	l.in.calls.Store(int32(len(l.in.funcs)))
	l.in.mu.Unlock()
	l.wake()
}

// Call is Do that waits for f and returns its error. Never from a loop.
func (l *Loop) Call(f func(*Loop) error) error {
	done := make(chan error, 1)
	l.Do(func(l *Loop) {
		err := errCallPanicked
		defer func() { done <- err }()
		err = f(l)
	})
	return <-done
}

// wake makes the loop look into its inbox. A message costs a system call, so only a sleeping loop gets one.
func (l *Loop) wake() {
	if !l.in.asleep.Load() || !l.in.asleep.CompareAndSwap(true, false) {
		return
	}
	if l.useEvent {
		l.event.signal()
		return
	}
	// A full completion queue (EOVERFLOW) has woken the loop already; a ring that has gone wants no message.
	for errors.Is(ring.SendMsgRing(l.ringFd, wakeData, 0), syscall.ENOMEM) {
		time.Sleep(time.Millisecond)
	}
}

// waiting says whether the inbox holds anything.
func (l *Loop) waiting() bool {
	return l.todo != nil || l.in.slots.Load() != nil || l.in.calls.Load() != 0
}

// takeSlot is the next posted slot, oldest first; nil: there is none.
func (l *Loop) takeSlot() *Slot {
	if l.todo == nil {
		if l.in.slots.Load() == nil {
			return nil
		}
		for s := l.in.slots.Swap(nil); s != nil; {
			next := s.next
			s.next = l.todo
			l.todo = s
			s = next
		}
	}
	s := l.todo
	l.todo, s.next = s.next, nil
	return s
}

// takeFunc is the next function; nil: there is none.
func (l *Loop) takeFunc() func(*Loop) {
	if l.in.calls.Load() == 0 {
		return nil
	}
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	f := l.in.funcs[0]
	l.in.funcs[0] = nil
	l.in.funcs = l.in.funcs[1:]
	if len(l.in.funcs) == 0 {
		l.in.funcs = nil
	}
	l.in.calls.Store(int32(len(l.in.funcs)))
	return f
}
