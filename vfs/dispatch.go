package vfs

import (
	"time"

	"github.com/fastfsd/fastfsd/abi"
)

// Verdict is what the engine does next with an op.
type Verdict uint8

const (
	Reply   Verdict = iota // the answer is ready: send Result, then Sent or Undelivered
	Silent                 // no answer is wanted: Sent
	IO                     // do the Transfer, then Satisfied
	Offload                // call Run on a locked thread that may wait
	Spawn                  // call Run on a goroutine
	Parked                 // nothing: Late is called, or perhaps was already
)

// NewOp makes a slot for requests of this connection; l hears of late answers. Made at start, used again and again.
func (c *Conn) NewOp(l Late) *Op {
	return &Op{conn: c, late: l, gotIDs: make([]uint64, 0, 64)}
}

// Load takes a request into the slot. header, args and payload may lie in memory that the peer changes meanwhile: the first two and
// the names are copied, each byte once. args may be longer than the opcode's argument. reply is the memory of the
// answer's body, behind struct fuse_out_header; it may be the payload's.
func (c *Conn) Load(op *Op, hdr *abi.InHeader, args, payload, reply []byte) {
	op.hdr = *hdr
	op.reply = reply
	op.Cred = Cred{op.hdr.UID, op.hdr.GID, op.hdr.PID}
	op.err = c.decode(op, args, payload)
}

// LoadMessage takes a contiguous message, its header in front. One that is too short for a header is answered Silent.
func (c *Conn) LoadMessage(op *Op, msg, reply []byte) {
	op.reply = reply
	op.data = nil
	if !op.hdr.Load(msg) {
		op.hdr = abi.InHeader{Opcode: abi.OpForget} // nobody to answer
		op.err = EINVAL
		return
	}
	op.Cred = Cred{op.hdr.UID, op.hdr.GID, op.hdr.PID}
	if op.hdr.Len < abi.HeaderSize || int64(op.hdr.Len) > int64(len(msg)) {
		op.err = EINVAL
		return
	}
	if !op.hdr.Opcode.Known() {
		op.err = ENOSYS
		return
	}
	args, payload, ok := abi.Split(op.hdr.Opcode, c.flags(), msg[abi.HeaderSize:op.hdr.Len])
	if !ok {
		op.err = EINVAL
		return
	}
	op.err = c.decode(op, args, payload)
}

// Begin starts a loaded request. Inline file systems are called at once and must not wait.
// Preconditions: the thread is inside a batch of its Epoch of this connection.
func (c *Conn) Begin(op *Op) Verdict {
	if op.err != OK {
		return c.fail(op, op.err)
	}
	if v, done := c.control(op); done {
		return v
	}
	if c.closed.Load() {
		return c.fail(op, ENOTCONN)
	}
	if e := c.target(op); e != OK {
		return c.fail(op, e)
	}
	if !op.ops.Inline && !c.brief(op) {
		op.nonblock = false
		c.leave(op)
		return Spawn
	}
	op.nonblock = true
	e := c.call(op)
	if e == ENFILE && c.rc.n.Load() > 0 {
		e = WouldBlock // descriptors are about to be freed: Run waits for them
	}
	switch e {
	case WouldBlock:
		op.rewind()
		op.nonblock = false
		c.leave(op)
		return Offload
	case Pending:
		c.leave(op)
		return c.wait(op)
	}
	return c.conclude(op, e)
}

// rewind forgets what a method has left behind that is called once more.
func (op *Op) rewind() {
	if op.nhook > 0 || op.nfilter > 0 || op.nscratch > 0 {
		op.nhook, op.nfilter, op.nscratch = 0, 0, 0
	}
	op.settle()
}

// brief says whether a request of a file system that may wait calls none of its methods: RELEASE without an unlock.
func (c *Conn) brief(op *Op) bool {
	switch op.hdr.Opcode {
	case abi.OpRelease:
		return op.ops.Unflock == nil || op.args.Release().ReleaseFlags&abi.ReleaseFlockUnlock == 0
	case abi.OpReleasedir:
		return true
	}
	return false
}

// Run calls the method of a request that has left its loop; it may wait.
func (c *Conn) Run(op *Op) Verdict {
	e := c.call(op)
	if e == ENFILE && c.graced() {
		op.rewind()
		e = c.call(op)
	}
	switch e {
	case WouldBlock: // it was told that it may wait
		e = EIO
	case Pending:
		return c.wait(op)
	}
	return c.conclude(op, e)
}

// call runs the request's method and encodes its result; a panic is the caller's EIO.
func (c *Conn) call(op *Op) (e Errno) {
	defer func() {
		if v := recover(); v != nil {
			op.tainted = true
			op.settle()
			op.dropExtent()
			e = EIO
			c.panicked(op.hdr.Opcode, v)
		}
	}()
	if c.opts.Watchdog > 0 && op.nonblock {
		return c.watched(op)
	}
	return calls[op.hdr.Opcode](c, op)
}

// watched is call under Options.Watchdog.
func (c *Conn) watched(op *Op) Errno {
	start := time.Now()
	e := calls[op.hdr.Opcode](c, op)
	if d := time.Since(start); d > c.opts.Watchdog && c.opts.OnStall != nil {
		c.opts.OnStall(op.hdr.Opcode, d)
	}
	return e
}

// leave prepares an op to outlive its batch: counted pins on what it names, and INTERRUPT can find it.
// Preconditions: inside the batch that found the entries.
func (c *Conn) leave(op *Op) {
	if !op.pinned {
		for _, e := range op.ents[:op.nents] {
			e.pins.Add(1)
		}
		op.pinned = true
	}
	c.flight.add(op)
}

// conclude takes a method's final result.
func (c *Conn) conclude(op *Op, e Errno) Verdict {
	if e == OK && op.payload.File != nil {
		return IO
	}
	c.settle(op, e)
	return Reply
}

// settle runs the hooks and fixes the result.
func (c *Conn) settle(op *Op, e Errno) {
	if e < 0 { // a method that made something up
		e = EIO
	}
	if op.nhook > 0 {
		was := e
		for op.nhook > 0 {
			op.nhook--
			h := &op.hooks[op.nhook]
			if r := h.h.Done(op, h.arg, -int32(e)); r < 0 {
				e = Errno(-r)
			} else {
				e = OK
			}
		}
		if was == OK && e != OK {
			c.giveBack(op)
		}
	}
	if e != OK {
		op.n = 0
	}
	op.err = e
}

// fail answers before any method was called.
func (c *Conn) fail(op *Op, e Errno) Verdict {
	op.err, op.n = e, 0
	if silent(op.hdr.Opcode) {
		return Silent
	}
	return Reply
}

// silent says which opcodes are never answered.
func silent(o abi.Opcode) bool {
	switch o {
	case abi.OpForget, abi.OpBatchForget, abi.OpInterrupt, abi.OpNotifyReply:
		return true
	}
	return false
}

// Result is the answer: 0 or a positive errno, and the number of bytes of the body in the reply memory.
func (op *Op) Result() (Errno, int) { return op.err, op.n }

// Transfer is what an op with the verdict IO wants read into or written from buf. The buf of a WRITE that is Far is good for its
// length only.
func (op *Op) Transfer() (f *File, off int64, buf []byte, rwf uint32, write bool) {
	p := &op.payload
	if op.hdr.Opcode == abi.OpWrite {
		data, _ := op.writeData() // for its length, if it is far
		return p.File, p.Off, data[:min(int(p.N), len(data))], p.RWF, true
	}
	return p.File, p.Off, op.Reply(int(p.N)), p.RWF, false
}

// Satisfied takes the result of the extent's I/O, bytes or -errno, and makes the answer.
func (c *Conn) Satisfied(op *Op, res int32) Verdict {
	p := op.payload
	op.dropExtent()
	if p.After != nil {
		res = p.After.Done(op, p.Arg, res)
	}
	e := OK
	if res < 0 {
		e = Errno(-res)
	} else if op.hdr.Opcode == abi.OpWrite {
		op.n = put(op, &abi.WriteOut{Size: uint32(res)})
	} else {
		op.n = int(res)
	}
	c.settle(op, e)
	return Reply
}

func (op *Op) dropExtent() {
	if f := op.payload.File; f != nil {
		op.payload = Payload{}
		f.Put()
	}
}

// lateResult makes the answer of a Pending op.
func (c *Conn) lateResult(op *Op, e Errno, val uint32) {
	op.n = 0
	if e == OK {
		switch op.hdr.Opcode {
		case abi.OpRead, abi.OpReaddir, abi.OpReadlink:
			op.n = min(int(val), len(op.reply))
		case abi.OpWrite:
			op.n = put(op, &abi.WriteOut{Size: val})
		case abi.OpPoll:
			op.n = put(op, &abi.PollOut{Revents: val})
		case abi.OpIoctl:
			op.n = put(op, &abi.IoctlOut{Result: int32(val)})
		}
	}
	c.settle(op, e)
}

// Sent ends an op whose answer was handed over, or that wants none. The slot may be loaded again.
func (c *Conn) Sent(op *Op) { c.end(op) }

// Undelivered ends an op whose answer could not be handed over: what it carried goes back.
func (c *Conn) Undelivered(op *Op) {
	c.giveBack(op)
	c.end(op)
}

// giveBack undoes the lookups and handles that the answer carries.
func (c *Conn) giveBack(op *Op) {
	if op.gotHandle != 0 {
		if e := c.handles.at(uint32(op.gotHandle)); e != nil {
			c.dropHandle(e, op.gotHandle, 0, 0)
		}
	}
	if op.gotNode != 0 {
		c.forget(op.gotNode, 1)
	}
	for _, id := range op.gotIDs {
		c.forget(id, 1)
	}
	op.gotHandle, op.gotNode, op.gotIDs = 0, 0, op.gotIDs[:0]
}

// end gives back what the op holds and makes the slot ready for the next request.
func (c *Conn) end(op *Op) {
	if op.inflight {
		c.flight.remove(op)
	}
	op.settle()
	op.dropExtent()
	if op.pinned {
		op.pinned = false
		for i, e := range op.ents[:op.nents] {
			c.unpin(e)
			op.ents[i] = nil
		}
	}
	op.nents, op.nscratch, op.nfilter, op.nhook, op.n = 0, 0, 0, 0, 0
	op.gotNode, op.gotHandle, op.gotIDs = 0, 0, op.gotIDs[:0]
	op.payload, op.data, op.far, op.secctx, op.hasGroup = Payload{}, nil, nil, nil, false
	if op.interrupted.Load() || op.done != nil {
		op.doneMu.Lock()
		op.interrupted.Store(false)
		op.done = nil
		op.doneMu.Unlock()
	}
	op.tainted = false
	if c.opts.Poison {
		op.poison()
	}
	if c.closed.Load() && c.rc.n.Load() > 0 {
		c.reclaim()
	}
}

// poison overwrites what a method could have kept against the contract.
func (op *Op) poison() {
	for _, b := range [][]byte{op.args.B[:], op.name[0][:], op.name[1][:], op.target[:], op.temp[:]} {
		for i := range b {
			b[i] = 0xdb
		}
	}
}
