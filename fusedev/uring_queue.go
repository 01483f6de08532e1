//go:build linux

package fusedev

import (
	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/ring"
	"github.com/fastfsd/fastfsd/vfs"
)

// uringQueue is the kernel's queue of one CPU. Everything in it belongs to its loop's thread.
type uringQueue struct {
	t      *uring
	loop   *engine.Loop // immutable, like qid, grow and payload
	qid    uint16
	grow   int // entries that are made at a time
	tally  *tally
	source uint32

	entries []*uringEntry // by tag
	mem     [][]byte      // what they lie in
	ready   int           // entries that the kernel has in hand for requests to come
	live    int           // entries that have not ended
	dry     dryness
	failed  unix.Errno // why one could not be registered
	quit    bool       // stop was called
}

// uringEntry is one place for a request: the kernel's until a completion brings a request, ours until the commit.
type uringEntry struct {
	slot    *engine.Slot // made for its first request
	head    *abi.UringReqHeader
	iov     *[2]ring.Iovec
	payload []byte // of the request, then of the reply
	commit  uint64 // the kernel's name of the request
}

func newUringQueue(t *uring, l *engine.Loop, qid uint16, grow int) *uringQueue {
	return &uringQueue{t: t, loop: l, qid: qid, grow: grow, tally: t.s.newTally()}
}

// open registers the first n entries and hears from the kernel whether it takes them.
func (q *uringQueue) open(n int) error {
	err := q.loop.Call(func(l *engine.Loop) error {
		q.source = l.Attach(q)
		if err := q.add(l, n); err != nil {
			return err
		}
		return l.Submit()
	})
	if err != nil {
		return err
	}
	// A refusal completes within Submit, and a loop takes completions before calls.
	return q.loop.Call(func(*engine.Loop) error {
		if q.failed != 0 {
			return q.failed
		}
		return nil
	})
}

// add registers n entries more.
func (q *uringQueue) add(l *engine.Loop, n int) error {
	n = min(n, maxHeld-len(q.entries))
	if n <= 0 {
		return unix.ENOBUFS
	}
	payload := q.t.payload()
	mem, err := ring.Alloc(n * payload)
	if err != nil {
		return err
	}
	heads, err := ring.Alloc(n * uringStride)
	if err != nil {
		_ = ring.Free(mem)
		return err
	}
	q.mem = append(q.mem, mem, heads)
	for i := range n {
		e := newUringEntry(heads[i*uringStride:], mem[i*payload:(i+1)*payload:(i+1)*payload])
		q.entries = append(q.entries, e)
		q.live++
		q.ready++
		q.register(l, uint32(len(q.entries)-1))
	}
	return nil
}

// spare keeps the kernel supplied with entries, long before there are none: ready counts also those that the kernel has
// used up since this batch began.
func (q *uringQueue) spare(l *engine.Loop) {
	if q.ready >= uringSpare {
		return
	}
	q.dry.on = true
	if err := q.add(l, max(q.grow, len(q.entries)/2)); err != nil {
		return // the budget is spent: requests wait for answers
	}
	_ = l.Submit() // now, for what runs in this batch may take long; a failure is the next enter's too
}

// Complete takes a request, or the end of an entry; it implements engine.Source.
func (q *uringQueue) Complete(l *engine.Loop, tag uint32, res int32, _ uint32) {
	q.ready--
	if res != 0 {
		q.ended(tag, unix.Errno(-res))
		return
	}
	e := q.entries[tag]
	if e.slot == nil {
		e.slot = q.t.client.NewSlot(l, q, tag)
	}
	h := e.head
	e.commit = h.RingEntInOut.CommitID
	n := min(int(h.RingEntInOut.PayloadSz), len(e.payload))
	q.t.s.conn.Load(e.slot.Op, inHeader(h), h.OpIn[:], e.payload[:n], e.payload)
	if e.slot.Op.Opcode() == abi.OpSetlkw && q.crowded() {
		l.Refuse(e.slot, vfs.ENOLCK)
		return
	}
	l.Serve(e.slot)
}

// crowded says whether so many requests are held that one more waiting lock could leave none for an unlock.
func (q *uringQueue) crowded() bool { return q.live-q.ready > maxHeld*3/4 }

// ended takes note of an entry that the kernel has given up: the connection has gone, or it was never taken.
func (q *uringQueue) ended(tag uint32, e unix.Errno) {
	q.live--
	switch e {
	case unix.ENOTCONN, unix.ECANCELED, unix.ENODEV, unix.ECONNABORTED:
		if !q.quit {
			q.t.s.ended(unix.ENODEV)
		}
	default:
		if q.failed == 0 {
			q.failed = e
			q.t.s.log.Debug("an entry of FUSE over io_uring was refused", "queue", q.qid, "entry", tag, "err", e)
		}
	}
}

// Hold implements engine.Queue.
func (q *uringQueue) Hold(l *engine.Loop, s *engine.Slot) {
	if q.quit {
		return
	}
	q.spare(l)
	q.poke(l, s)
}

// Reply implements engine.Queue: the commit goes to the kernel with the batch, and brings the entry's next request.
func (q *uringQueue) Reply(l *engine.Loop, s *engine.Slot) {
	e := q.entries[s.Tag]
	errno, n := s.Result()
	q.tally.add(s.Op.Opcode(), errno != 0)
	unique := s.Op.Unique()
	if q.quit {
		s.Undelivered()
		q.live--
		return
	}
	s.Sent()
	h := uringOut(e.head)
	h.Len, h.Error, h.Unique = uint32(abi.OutHeaderSize+n), -int32(errno), unique
	e.head.RingEntInOut.PayloadSz = uint32(n)
	q.ready++
	if q.ready == q.live {
		q.dry.on = false
	}
	q.fetch(l, s.Tag, e.commit)
}

// Silent implements engine.Queue: of what gets no answer only NOTIFY_REPLY comes by this way, and its entry needs a commit.
func (q *uringQueue) Silent(l *engine.Loop, s *engine.Slot) { q.Reply(l, s) }

// AnyThread implements engine.Queue: a ring belongs to its loop.
func (q *uringQueue) AnyThread() bool { return false }

// register gives the kernel an entry for the first time.
func (q *uringQueue) register(l *engine.Loop, tag uint32) {
	s := l.SQE()
	s.UringCmd(int32(q.t.s.fd), uringRegister).SetUserData(engine.Data(q.source, tag))
	s.Addr, s.Len = uint64(iovAddr(q.entries[tag])), 2
	uringCmd(s).Qid = q.qid
}

// fetch commits an entry's answer and asks for its next request.
func (q *uringQueue) fetch(l *engine.Loop, tag uint32, commit uint64) {
	s := l.SQE()
	s.UringCmd(int32(q.t.s.fd), uringCommit).SetUserData(engine.Data(q.source, tag))
	c := uringCmd(s)
	c.CommitID, c.Qid = commit, q.qid
}

// stop waits until all entries have ended and gives their memory back.
func (q *uringQueue) stop() {
	if q.source == 0 {
		return
	}
	q.loop.Do(func(*engine.Loop) { q.quit = true })
	await(func() bool {
		return q.loop.Call(func(l *engine.Loop) error {
			if q.live > 0 {
				return unix.EAGAIN
			}
			l.Detach(q.source)
			return nil
		}) == nil
	})
	for _, m := range q.mem {
		if err := ring.Free(m); err != nil {
			q.t.s.log.Error("memory of requests", "err", err)
		}
	}
	q.entries, q.mem = nil, nil
}
