package engine

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/fastfsd/fastfsd/ring"
)

// Source gets the completions of what it submitted on a loop.
type Source interface {
	// Complete is called on the loop's thread with the tag given to Loop.Data and the completion's result and flags.
	Complete(l *Loop, tag uint32, res int32, flags uint32)
}

const (
	ringEntries = 256
	ringCQ      = 4096
	loopFlags   = ring.SetupSingleIssuer | ring.SetupDeferTaskrun | ring.SetupSQE128 | ring.SetupSubmitAll

	maxTake   = 64  // completions taken from the ring at a time
	maxPosted = 256 // posted slots answered in a batch
)

// restrictions is all that a loop's ring may do. What goes through a ring passes by seccomp filters, so without them code
// that an attacker has got to run here could open files and sockets that way. Of register operations only those of the
// ring's own descriptor are left; SendMsgRing needs none, for it is not made on the ring that it wakes, nor on any.
// Every kernel that can make a ring of loopFlags (Linux 6.1) knows restrictions (5.10).
var restrictions = ring.Restrictions{Ops: []ring.Op{
	ring.OpRead,        // extents, requests on /dev/fuse, the event
	ring.OpWrite,       // extents
	ring.OpUringCmd,    // FUSE over io_uring
	ring.OpAsyncCancel, // a transport or a queue that stops
	ring.OpReadv,       // extents in a guest's memory
	ring.OpWritev,      // likewise
	ring.OpPollAdd,     // kicks of a guest
	ring.OpNop,         // a queue's next turn
}}

// User data of the engine's own: source 0.
const (
	wakeData  = 0xffffffff
	eventData = 0xfffffffe
)

var errCallPanicked = errors.New("engine: the call has panicked")

// Loop serves requests on one thread. See the package comment for who may call what.
type Loop struct {
	e     *Engine
	index int // immutable; -1: a reader's loop, without a ring
	cpu   int // immutable

	ring     *ring.Ring // nil: a reader's loop
	ringFd   int
	useEvent bool // wake through event, for the kernel cannot message a ring; set by a test, it is kept
	event    event

	ends []EndBatch // asked for by AtEnd

	sources []Source // by id; 0 is the engine's own
	vacant  []uint32
	live    int // sources

	ios    []*Slot // by tag: requests whose extent's I/O is in the ring
	ioFree []uint32
	ioLive int

	cqes       [maxTake]ring.CQE
	cqeAt, cqN int

	in      inbox
	todo    *Slot // taken from the inbox, oldest first
	current *Slot // in Serve; nil once it was handed on
	entered []*lane
	own     *lane // a reader's loop: its only one

	tally tally
	creds creds
	quit  bool
}

func newLoop(e *Engine, index, cpu int) *Loop {
	return &Loop{e: e, index: index, cpu: cpu, ringFd: -1, sources: make([]Source, 1), entered: make([]*lane, 0, 64)}
}

// CPU is the one that the loop is pinned to.
func (l *Loop) CPU() int { return l.cpu }

// Index counts the engine's loops from 0.
func (l *Loop) Index() int { return l.index }

// run is the loop's goroutine. Its thread ends with it: it is pinned.
func (l *Loop) run(ready chan<- error) {
	defer l.e.threads.Done()
	runtime.LockOSThread()
	debug.SetPanicOnFault(true)
	if err := l.open(); err != nil {
		ready <- fmt.Errorf("engine: loop on CPU %d: %w", l.cpu, err)
		return
	}
	ready <- nil
	for {
		l.batch()
		if l.quit && l.live == 0 && l.ioLive == 0 && !l.waiting() {
			break
		}
		l.rest()
	}
	l.shut()
}

func (l *Loop) open() error {
	if err := pin(l.cpu); err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	if err := l.creds.save(); err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	r, err := ring.New(ring.Config{Entries: ringEntries, CQEntries: ringCQ, Flags: loopFlags, Restrictions: &restrictions})
	if err != nil {
		return err
	}
	if err := r.RegisterRingFd(); err != nil && !errors.Is(err, ring.ErrNotSupported) {
		return errors.Join(err, r.Close())
	}
	l.ring, l.ringFd = r, r.Fd()
	if err = ring.SendMsgRing(l.ringFd, wakeData, 0); l.useEvent || errors.Is(err, ring.ErrNotSupported) {
		if l.useEvent, err = true, l.event.open(); err == nil {
			l.event.arm(l)
		}
	}
	if err != nil {
		return errors.Join(err, r.Close())
	}
	return nil
}

func (l *Loop) shut() {
	l.in.asleep.Store(false)
	if err := l.ring.Close(); err != nil {
		l.e.log.Error("engine: loop", "cpu", l.cpu, "err", err)
	}
	if l.useEvent {
		l.event.close()
	}
}

// batch handles what is ready: first the completions, so that a call finds those handled that came before it, then the
// inbox, which completions that keep coming cannot hold up. A panic ends it, and loses only the request that was being
// handled.
func (l *Loop) batch() {
	defer l.caught()
	for n := l.cqN - l.cqeAt + int(l.ring.Ready()); n > 0; n-- {
		if l.cqeAt == l.cqN {
			l.fetch()
		}
		c := &l.cqes[l.cqeAt]
		l.cqeAt++
		l.complete(c)
	}
	for range maxPosted {
		s := l.takeSlot()
		if s == nil {
			break
		}
		l.enter(s.client)
		l.reply(s)
	}
	if f := l.takeFunc(); f != nil {
		f(l)
	}
	l.end()
	l.exit()
}

// fetch takes completions out of the ring.
func (l *Loop) fetch() {
	n := min(l.ring.Ready(), maxTake)
	for i := range n {
		l.cqes[i] = *l.ring.CQE(i)
	}
	l.ring.Advance(n)
	l.cqeAt, l.cqN = 0, int(n)
}

// complete hands a completion to its source.
func (l *Loop) complete(c *ring.CQE) {
	id, tag := uint32(c.UserData>>32), uint32(c.UserData)
	if id != 0 {
		if src := l.sources[id]; src != nil {
			src.Complete(l, tag, c.Res, c.Flags)
		}
		return
	}
	switch tag {
	case wakeData:
	case eventData:
		l.event.arm(l)
	default:
		l.moved(tag, c.Res)
	}
}

// rest submits what the batch has prepared and waits for something to do, in one system call if it can.
func (l *Loop) rest() {
	var err error
	l.in.asleep.Store(true)
	if l.cqeAt < l.cqN || l.waiting() || len(l.ends) > 0 {
		_, err = l.ring.Submit()
	} else {
		_, err = l.ring.SubmitAndWait(1, -1)
	}
	l.in.asleep.Store(false)
	if err != nil {
		l.e.log.Error("engine: io_uring_enter", "cpu", l.cpu, "err", err)
		time.Sleep(time.Millisecond) // no memory for now
	}
}

// Attach makes src known; what it submits carries Data(id, tag).
func (l *Loop) Attach(src Source) (id uint32) {
	l.live++
	if n := len(l.vacant); n > 0 {
		id = l.vacant[n-1]
		l.vacant = l.vacant[:n-1]
		l.sources[id] = src
		return id
	}
	l.sources = append(l.sources, src)
	return uint32(len(l.sources) - 1)
}

// Detach forgets a source, none of whose submissions is in flight.
func (l *Loop) Detach(id uint32) {
	l.sources[id] = nil
	l.vacant = append(l.vacant, id)
	l.live--
}

// Data is the user data of a submission of source id.
func Data(id, tag uint32) uint64 { return uint64(id)<<32 | uint64(tag) }

// SQE is a submission entry to fill; it goes to the kernel when the batch ends. It is on a ring with 128-byte entries.
func (l *Loop) SQE() *ring.SQE {
	for {
		if s := l.ring.Get(); s != nil {
			return s
		}
		if _, err := l.ring.Submit(); err != nil {
			time.Sleep(time.Millisecond) // no memory for now
		}
	}
}

// Submit gives what was prepared to the kernel now.
func (l *Loop) Submit() error {
	_, err := l.ring.Submit()
	return err
}

// caught ends a batch after a panic.
func (l *Loop) caught() {
	if v := recover(); v != nil {
		s := l.current
		l.current = nil
		l.e.log.Error("engine: panic on a loop", "cpu", l.cpu, "panic", v, "stack", string(debug.Stack()))
		l.restore()
		if s != nil {
			l.fail(s)
		}
		l.exit()
	}
}
