//go:build linux

package engine

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/ring"
	"github.com/fastfsd/fastfsd/vfs"
)

const (
	deskPages   = 32
	deskPayload = deskPages << 12 // of a request or a reply
	deskLead    = 4096 - abi.HeaderSize - 40
)

// desk is a stand-in for a transport: requests come from memory, answers are collected. It looks at what a transport
// relies on: each request is answered once, and on the right thread. Like a real transport it is a source of its loop,
// so that Close waits for it.
type desk struct {
	t      testing.TB
	client *Client
	loop   *Loop
	any    bool // any thread may send answers
	do     func(func(*Loop))
	source uint32
	tid    int // of the loop
	holds  atomic.Int64
	trip   func(in string) // a test's own; nil: none

	mu    sync.Mutex
	cells []*cell // guarded by mu; by Slot.Tag
	free  []*cell // guarded by mu; the last one is used first
}

// cell is a slot and its memory.
type cell struct {
	slot           *Slot
	request, reply []byte // outside the Go heap
	call           *call  // guarded by desk.mu; nil: free
}

// uniques are the ids of requests.
var uniques atomic.Uint64

// call is a request and its answer.
type call struct {
	op     abi.Opcode
	unique uint64
	body   []byte
	refuse vfs.Errno // the transport's own answer
	lose   bool      // the answer cannot be handed over

	done   chan struct{}
	errno  vfs.Errno // valid once done is closed, like the rest
	answer []byte
	silent bool
}

// openDesk attaches a stand-in transport to a loop until the test ends.
func openDesk(t testing.TB, c *Client, l *Loop, anyThread bool) *desk {
	t.Helper()
	d := &desk{t: t, client: c, loop: l, any: anyThread, do: l.Do}
	on(t, l, func(l *Loop) error {
		d.tid = unix.Gettid()
		d.source = l.Attach(d)
		return nil
	})
	t.Cleanup(d.close)
	return d
}

// openReader is a stand-in for a transport with threads of its own, which ends with the test.
func openReader(t testing.TB, c *Client, cpu int) *desk {
	t.Helper()
	work, ready := make(chan func(*Loop), 1024), make(chan error)
	d := &desk{t: t, client: c, any: true, do: func(f func(*Loop)) { work <- f }}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		l, err := c.e.NewReader(c, cpu)
		d.loop, d.tid = l, unix.Gettid()
		ready <- err
		if err != nil {
			return
		}
		defer l.CloseReader()
		for f := range work {
			f(l)
		}
	}()
	if err := within(t, "a reader", ready); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(work)
		within(t, "the end of the reader", ended)
		d.close()
	})
	return d
}

// close waits until no request is in flight, takes the desk off its loop and gives the memory back.
func (d *desk) close() {
	eventually(d.t, "all requests are answered", func() bool { return d.busy() == 0 })
	if d.source != 0 {
		on(d.t, d.loop, func(l *Loop) error { l.Detach(d.source); return nil })
	}
	for _, p := range d.cells {
		if err := ring.Free(p.request); err != nil {
			d.t.Error(err)
		}
	}
}

func (d *desk) busy() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.cells) - len(d.free)
}

// take is a free slot for a request. Preconditions: on the loop.
func (d *desk) take(c *call) *cell {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.free); n > 0 {
		p := d.free[n-1]
		d.free = d.free[:n-1]
		p.call = c
		return p
	}
	mem, err := ring.Alloc(2*deskPayload + 4096)
	if err != nil {
		panic(err)
	}
	p := &cell{slot: d.client.NewSlot(d.loop, d, uint32(len(d.cells))), request: mem, reply: mem[deskPayload+4096:], call: c}
	d.cells = append(d.cells, p)
	return p
}

// start has the loop serve a request, and waits for nothing.
func (d *desk) start(c *call) *call {
	c.unique, c.done = uniques.Add(2), make(chan struct{})
	d.do(func(l *Loop) { d.serve(l, c) })
	return c
}

func (d *desk) serve(l *Loop, c *call) {
	p := d.take(c)
	fill(p.reply, 0xa5)
	h := abi.InHeader{Opcode: c.op, NodeID: abi.RootID, Unique: c.unique, Len: uint32(abi.HeaderSize + len(c.body))}
	msg := p.request[deskLead:]
	n := copy(msg, abi.Bytes(&h))
	n += copy(msg[n:], c.body)
	d.client.Conn().LoadMessage(p.slot.Op, msg[:n], p.reply)
	switch {
	case c.refuse != 0:
		l.Refuse(p.slot, c.refuse)
	case l.own != nil:
		l.ServeAlone(p.slot)
	default:
		l.Serve(p.slot)
	}
}

// Complete implements Source.
func (d *desk) Complete(*Loop, uint32, int32, uint32) {
	d.t.Error("a completion of nothing that was submitted")
}

// Hold implements Queue.
func (d *desk) Hold(l *Loop, _ *Slot) {
	d.holds.Add(1)
	d.here(l)
	d.tripped("Hold")
}

// Reply implements Queue.
func (d *desk) Reply(l *Loop, s *Slot) {
	d.tripped("Reply")
	d.end(l, s, false)
}

func (d *desk) tripped(in string) {
	if d.trip != nil {
		d.trip(in)
	}
}

// Silent implements Queue.
func (d *desk) Silent(l *Loop, s *Slot) { d.end(l, s, true) }

// AnyThread implements Queue.
func (d *desk) AnyThread() bool { return d.any }

// here looks whether the queue may be called on this thread.
func (d *desk) here(l *Loop) {
	if l == nil && !d.any || l != nil && (l != d.loop || unix.Gettid() != d.tid) {
		d.t.Errorf("a queue is called on thread %d for loop %p, its own is %d for %p", unix.Gettid(), l, d.tid, d.loop)
	}
}

func (d *desk) end(l *Loop, s *Slot, silent bool) {
	d.here(l)
	d.mu.Lock()
	p := d.cells[s.Tag]
	c := p.call
	p.call = nil
	d.mu.Unlock()
	if c == nil {
		d.t.Errorf("slot %d is answered once more\n%s", s.Tag, stacks())
		return
	}
	e, n := s.Result()
	c.errno, c.answer, c.silent = e, bytes.Clone(p.reply[:n]), silent
	if c.lose {
		s.Undelivered()
	} else {
		s.Sent()
	}
	d.mu.Lock()
	d.free = append(d.free, p)
	d.mu.Unlock()
	close(c.done)
}

// readCall is a READ that has not been started.
func readCall(off int64, n int) *call {
	return &call{op: abi.OpRead, body: bytes.Clone(abi.Bytes(&abi.ReadIn{Offset: uint64(off), Size: uint32(n)}))}
}

// readArgs is what a READ asks of its act.
func readArgs(c *call) (off int64, n int) {
	var in abi.ReadIn
	abi.Decode(&in, c.body)
	return int64(in.Offset & (1<<actShift - 1)), int(in.Size)
}

// writeCall is a WRITE that has not been started.
func writeCall(off int64, data []byte) *call {
	in := abi.WriteIn{Offset: uint64(off), Size: uint32(len(data))}
	return &call{op: abi.OpWrite, body: append(bytes.Clone(abi.Bytes(&in)), data...)}
}

// writeArgs is what a WRITE asks of its act.
func writeArgs(c *call) (off int64, data []byte) {
	var in abi.WriteIn
	abi.Decode(&in, c.body)
	return int64(in.Offset & (1<<actShift - 1)), c.body[len(c.body)-int(in.Size):]
}

// written is how many bytes the answer to a WRITE says were written.
func written(c *call) int {
	var out abi.WriteOut
	if !abi.Decode(&out, c.answer) {
		return -1
	}
	return int(out.Size)
}

// interrupt starts an INTERRUPT of a request.
func (d *desk) interrupt(unique uint64) *call {
	return d.start(&call{op: abi.OpInterrupt, body: bytes.Clone(abi.Bytes(&abi.InterruptIn{Unique: unique}))})
}

// wait waits for the answer.
func (d *desk) wait(c *call) *call {
	d.t.Helper()
	within(d.t, fmt.Sprintf("the answer to %v, request %d", c.op, c.unique), c.done)
	return c
}

// wantRead has a READ answered with n bytes b.
func (d *desk) wantRead(off int64, n int, b byte) {
	d.t.Helper()
	c := d.wait(d.start(readCall(off, n)))
	if c.errno != vfs.OK || !bytes.Equal(c.answer, bytes.Repeat([]byte{b}, n)) {
		d.t.Fatalf("READ of %d bytes: %v, %d bytes", n, c.errno, len(c.answer))
	}
}

// wantErrno has a READ answered with an error.
func (d *desk) wantErrno(off int64, want vfs.Errno) {
	d.t.Helper()
	if c := d.wait(d.start(readCall(off, 10))); c.errno != want || len(c.answer) > 0 {
		d.t.Fatalf("READ: %v with %d bytes, want %v", c.errno, len(c.answer), want)
	}
}
