//go:build linux

package fusedev

import (
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/ring"
)

// maxHeld is how many requests of one queue may be unanswered at a time. Beyond, a lock that would wait is refused.
const maxHeld = 1024

// message is the memory and the slot of one request on /dev/fuse. The request stands so that the data of a WRITE begins
// on a page; the reply's body begins on a page of its own, its header right before it, so that one write(2) sends both.
type message struct {
	slot *engine.Slot
	mem  []byte // outside the Go heap
	in   []byte // where a request is read to
	body []byte // where a reply's body is made
	next *message
}

// desk is the messages of one reader of /dev/fuse. Its thread takes them, any thread brings them back.
type desk struct {
	s     *Server
	fd    int // replies go where the request was read
	queue engine.Queue
	tally *tally // of the reader's thread
	off   *tally // of all others; several at a time

	free *message                // the reader's
	made int                     // the reader's
	all  [maxHeld]*message       // by Slot.Tag; each is set before its slot is used
	out  atomic.Int32            // messages that are not on free or back: the count that stop waits for
	back atomic.Pointer[message] // last in first out; taken as a whole
	dry  atomic.Bool             // the reader found no free message: tell it
	tell func()                  // any thread
}

// take is a free message; nil: as many as may be are in use, and tell will be called. Preconditions: the reader's thread.
func (d *desk) take(c *engine.Client, l *engine.Loop) *message {
	m := d.free
	if m == nil {
		m = d.back.Swap(nil)
	}
	if m == nil && d.made < maxHeld {
		m = d.make(c, l)
	}
	if m == nil {
		d.dry.Store(true)
		if m = d.back.Swap(nil); m == nil {
			return nil
		}
		d.dry.Store(false)
	}
	d.free, m.next = m.next, nil
	return m
}

// crowded says whether so many requests are held that one more waiting lock could leave none for an unlock.
func (d *desk) crowded() bool { return int(d.out.Load()) > maxHeld*3/4 }

// put brings a message back. l is the reader's loop on its own thread, nil on any other.
func (d *desk) put(l *engine.Loop, m *message) {
	if l != nil && l == m.slot.Owner() {
		m.next, d.free = d.free, m
	} else {
		for {
			m.next = d.back.Load()
			if d.back.CompareAndSwap(m.next, m) {
				break
			}
		}
	}
	d.out.Add(-1)
	if d.dry.Load() && d.dry.CompareAndSwap(true, false) {
		d.tell()
	}
}

// make adds a message; nil: there is no memory.
func (d *desk) make(c *engine.Client, l *engine.Loop) *message {
	page := os.Getpagesize()
	lead := page - abi.HeaderSize - int(abi.ArgSize(abi.OpWrite, 0))
	pay := (d.s.conn.Negotiated().Payload() + page - 1) &^ (page - 1)
	in := page + pay + page // what leads to WRITE's data, the data, names behind other arguments
	mem, err := ring.Alloc(in + page + pay)
	if err != nil {
		if d.made == 0 {
			d.s.log.Error("no memory for requests", "err", err)
		}
		return nil
	}
	m := &message{mem: mem, in: mem[lead:in], body: mem[in+page:]}
	m.slot = c.NewSlot(l, d.queue, uint32(d.made))
	d.all[d.made] = m
	d.made++
	return m
}

// load takes n bytes that were read into the message.
func (d *desk) load(m *message, n int) {
	d.out.Add(1)
	d.s.conn.LoadMessage(m.slot.Op, m.in[:n], m.body)
}

// reply sends the answer of s and brings its message back. l is nil off the loops.
func (d *desk) reply(l *engine.Loop, s *engine.Slot) {
	m := d.all[s.Tag]
	e, n := s.Result()
	d.count(l, s, e != 0)
	from := len(m.mem) - cap(m.body) - abi.OutHeaderSize
	out := m.mem[from : from+abi.OutHeaderSize+n]
	h := outHeader(out)
	h.Len, h.Error, h.Unique = uint32(len(out)), -int32(e), s.Op.Unique()
	switch err := writeDevice(d.fd, out); err {
	case 0:
		s.Sent()
	case unix.ENOENT, unix.ENODEV, unix.ECONNABORTED: // the asker was killed; the mount has gone
		s.Undelivered()
	default:
		if !d.s.replyFailed.Swap(true) {
			d.s.log.Error("a reply was refused by the kernel", "op", s.Op.Opcode(), "errno", e, "bytes", n, "err", err)
		}
		s.Undelivered()
	}
	d.put(l, m)
}

// silent ends a request that wants no answer.
func (d *desk) silent(l *engine.Loop, s *engine.Slot) {
	m := d.all[s.Tag]
	d.count(l, s, false)
	s.Sent()
	d.put(l, m)
}

func (d *desk) count(l *engine.Loop, s *engine.Slot, failed bool) {
	if l != nil {
		d.tally.add(s.Op.Opcode(), failed)
	} else {
		d.off.addShared(s.Op.Opcode(), failed)
	}
}

// free gives the memory back. Preconditions: out is 0 and the reader has ended.
func (d *desk) close() {
	for _, m := range d.all[:d.made] {
		if err := ring.Free(m.mem); err != nil {
			d.s.log.Error("memory of requests", "err", err)
		}
	}
	d.made, d.free = 0, nil
	d.back.Store(nil)
}
