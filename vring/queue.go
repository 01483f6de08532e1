//go:build linux

package vring

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/ring"
	"github.com/fastfsd/fastfsd/vfs"
)

// maxTurn is how many chains a queue takes before others have their turn.
const maxTurn = 64

// Tags of what a queue submits.
const (
	tagKick   = iota // the poll of the kick eventfd
	tagTurn          // chains are left over from the last turn
	tagRemove        // the poll's cancellation
)

// queue is one virtqueue of the device, served by one loop. All of it belongs to the loop's thread, but for what never
// changes: c, index, loop.
type queue struct {
	c     *connection
	index int
	loop  *engine.Loop

	vq              *virtq // nil: stopped
	size            int
	source          uint32
	kick, call, err int // eventfds; -1: none
	broken          bool
	paused          bool // no chain is taken
	polled          bool // the poll of kick is armed
	turning         bool // a turn is on its way
	flights         int  // submissions that have not completed

	all    []*request // by Slot.Tag
	mem    [][]byte   // what they lie in
	free   *request
	done   []*request // answered in this batch
	held   int        // requests in the engine
	hungry bool       // there was no memory for one more
	ending bool       // AtEnd was asked for
}

func newQueue(c *connection, index int, l *engine.Loop) *queue {
	return &queue{c: c, index: index, loop: l, kick: -1, call: -1, err: -1}
}

// start takes over the virtqueue and its eventfds. On the loop.
func (q *queue) start(l *engine.Loop, vq *virtq, size, kick, call, errfd int) {
	q.vq, q.size, q.kick, q.call, q.err, q.broken, q.paused = vq, size, kick, call, errfd, false, false
	q.source = l.Attach(q)
	q.arm(l)
	q.turn(l) // chains may be there already
}

// arm has kicks complete. The eventfd keeps its O_NONBLOCK: the flag is the VMM's too.
func (q *queue) arm(l *engine.Loop) {
	if q.kick < 0 || q.polled || q.paused {
		return
	}
	q.polled = true
	q.flights++
	l.SQE().PollAdd(int32(q.kick), unix.POLLIN, true).SetUserData(engine.Data(q.source, tagKick))
}

// Complete implements engine.Source: the driver has kicked, or a turn goes on.
func (q *queue) Complete(l *engine.Loop, tag uint32, res int32, flags uint32) {
	more := flags&ring.CQEMore != 0
	if !more {
		q.flights--
	}
	switch tag {
	case tagKick:
		q.polled = more
		if res < 0 {
			return
		}
		drainEvent(q.kick)
		q.arm(l)
	case tagTurn:
		q.turning = false
	default:
		return
	}
	q.turn(l)
}

// turn takes chains and serves them.
func (q *queue) turn(l *engine.Loop) {
	if q.vq == nil || q.paused || q.broken {
		return
	}
	defer q.fault(l)
	q.vq.suppress()
	for range maxTurn {
		r := q.take()
		if r == nil {
			q.hungry = true // the next answer goes on
			return
		}
		ok, err := q.vq.pop(&r.chain)
		if !ok {
			q.put(r)
		}
		switch {
		case err != nil:
			q.fail(l, err)
			return
		case ok:
			q.serve(l, r)
			if q.broken {
				return
			}
		case !q.vq.await():
			return
		default:
			q.vq.suppress()
		}
	}
	q.later(l)
}

// later has the next turn come when others have had theirs.
func (q *queue) later(l *engine.Loop) {
	if q.turning || q.paused {
		return
	}
	q.turning = true
	q.flights++
	l.SQE().Nop().SetUserData(engine.Data(q.source, tagTurn))
}

func (q *queue) serve(l *engine.Loop, r *request) {
	if !r.load(q.c) {
		q.vq.push(r.chain.head, r.chain.descs, 0)
		q.put(r)
		q.atEnd(l)
		return
	}
	q.held++
	if r.slot.Op.Opcode() == abi.OpSetlkw && q.crowded() {
		l.Refuse(r.slot, vfs.ENOLCK)
		return
	}
	l.Serve(r.slot)
}

// crowded says whether so many chains are held that one more waiting lock could leave none for an unlock.
func (q *queue) crowded() bool { return q.held > q.size*3/4 }

func (q *queue) take() *request {
	if q.free == nil {
		if err := q.moreRequests(); err != nil {
			q.c.log.Warn("no memory for a guest's requests: they wait", "queue", q.index, "err", err)
			return nil
		}
	}
	r := q.free
	q.free, r.next = r.next, nil
	return r
}

func (q *queue) put(r *request) { r.next, q.free = q.free, r }

// Hold implements engine.Queue: chains are as many as the driver's queue is long, and each has a slot of its own.
func (q *queue) Hold(*engine.Loop, *engine.Slot) {}

// Reply implements engine.Queue: the answer is written with the others of its batch.
func (q *queue) Reply(l *engine.Loop, s *engine.Slot) {
	q.done = append(q.done, q.all[s.Tag])
	q.atEnd(l)
}

// Silent implements engine.Queue: the chain goes back empty.
func (q *queue) Silent(l *engine.Loop, s *engine.Slot) { q.Reply(l, s) }

// AnyThread implements engine.Queue: a virtqueue belongs to its loop.
func (q *queue) AnyThread() bool { return false }

// Pieces implements engine.Scattered. A WRITE's head has been dropped from its chain.
func (q *queue) Pieces(s *engine.Slot, write bool, from, n int32) []ring.Iovec {
	r := q.all[s.Tag]
	if write {
		return r.window(r.chain.in, uint32(from), uint32(n))
	}
	return r.window(r.chain.out, abi.OutHeaderSize+uint32(from), uint32(n))
}

func (q *queue) atEnd(l *engine.Loop) {
	if !q.ending {
		q.ending = true
		l.AtEnd(q)
	}
}

// EndBatch implements engine.EndBatch: it writes the answers of a batch and interrupts the driver once, if it wants that.
func (q *queue) EndBatch(l *engine.Loop) {
	q.ending = false
	for _, r := range q.done {
		q.finish(l, r)
	}
	q.done = q.done[:0]
	if q.vq == nil || q.broken {
		return
	}
	q.publish(l)
	if q.hungry {
		q.hungry = false
		q.later(l)
	}
}

// finish writes one answer; a queue that is broken has nowhere to put it.
func (q *queue) finish(l *engine.Loop, r *request) {
	q.held--
	if q.broken || !q.tell(l, r) {
		r.slot.Undelivered()
	} else {
		r.slot.Sent()
	}
	q.put(r)
}

// tell puts a request's answer where the guest looks; false: its memory has gone.
func (q *queue) tell(l *engine.Loop, r *request) bool {
	defer q.fault(l)
	n := r.answer()
	q.vq.dirtied(r.chain.out, n)
	q.vq.push(r.chain.head, r.chain.descs, n)
	return true
}

func (q *queue) publish(l *engine.Loop) {
	defer q.fault(l)
	if q.vq.flush() {
		signalEvent(q.call)
	}
}

// fault stops the queue after an access to memory that the front-end has taken away. Deferred.
func (q *queue) fault(l *engine.Loop) {
	if err := faulted(recover(), nil); err != nil {
		q.fail(l, err)
	}
}

// faulted makes an error of a recovered access to memory that is not there; any other panic goes on. Without one, err stays.
func faulted(v any, err error) error {
	if v == nil {
		return err
	}
	if _, ok := v.(interface{ Addr() uintptr }); !ok {
		panic(v)
	}
	return fmt.Errorf("guest memory cannot be used: %w", unix.EFAULT)
}

// fail stops a queue for good: its driver is wrong, and what it asks for next is nobody's guess. The VMM hears of it.
func (q *queue) fail(_ *engine.Loop, err error) {
	q.broken, q.paused = true, true
	q.c.log.Error("a guest's queue is stopped: the driver broke it", "queue", q.index, "err", err)
	signalEvent(q.err)
}

// errHeld is what drained says while requests are on their way.
var errHeld = errors.New("vring: requests are in flight")

// pause takes no more chains. On the loop.
func (q *queue) pause(l *engine.Loop) {
	if q.vq == nil || q.paused && !q.polled {
		q.paused = true
		return
	}
	q.paused = true
	if q.polled { // by ASYNC_CANCEL: POLL_REMOVE leaves a poll alone whose kick has just come (EALREADY)
		q.flights++
		l.SQE().Cancel(engine.Data(q.source, tagKick), 0).SetUserData(engine.Data(q.source, tagRemove))
	}
}

// drained is nil when nothing of the queue is in flight. On the loop.
func (q *queue) drained(*engine.Loop) error {
	if q.held > 0 || q.flights > 0 || len(q.done) > 0 {
		return errHeld
	}
	return nil
}

// resume goes on after a pause, with memory m. On the loop.
func (q *queue) resume(l *engine.Loop, m *Memory) error {
	if q.vq == nil || q.broken {
		return nil
	}
	if err := q.rebase(m); err != nil {
		q.fail(l, err)
		return err
	}
	q.paused = false
	q.arm(l)
	q.turn(l)
	return nil
}

func (q *queue) rebase(m *Memory) (err error) {
	defer func() { err = faulted(recover(), err) }()
	return q.vq.setMemory(m)
}

// end gives the virtqueue back and says where it stopped. On the loop, drained.
func (q *queue) end(l *engine.Loop) (base uint32) {
	if q.vq == nil {
		return 0
	}
	base = q.vq.base()
	l.Detach(q.source)
	closeFDs(q.kick, q.call, q.err)
	q.vq, q.kick, q.call, q.err = nil, -1, -1, -1
	return base
}
