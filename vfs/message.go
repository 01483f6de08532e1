package vfs

import (
	"errors"
	"runtime"
	"syscall"

	"github.com/fastfsd/fastfsd/abi"
)

// message is a slot for HandleMessage.
type message struct {
	op   *Op
	ep   *Epoch
	late chan struct{}
}

func (m *message) Late(*Op) { m.late <- struct{}{} }

// HandleMessage answers one message for a caller with a transport of its own. in is the whole request, header in front; out has room for
// the reply, header in front. It returns the reply's length, 0 where none is wanted, and waits until the answer is
// there. Any number of goroutines may call it.
func (c *Conn) HandleMessage(in, out []byte) int {
	if len(out) < abi.OutHeaderSize {
		return 0
	}
	m := c.message()
	op := m.op
	runtime.LockOSThread() // an Inline back-end may switch the thread's credentials
	m.ep.Enter()
	c.LoadMessage(op, in, out[abi.OutHeaderSize:])
	v := c.Begin(op)
	m.ep.Exit()
	if !op.Tainted() { // else the thread ends with this goroutine
		runtime.UnlockOSThread()
	}
	if v == Offload || v == Spawn {
		v = m.run(c)
	}
	for {
		switch v {
		case IO:
			v = c.Satisfied(op, transfer(op))
			continue
		case Parked:
			<-m.late
			v = Reply
			continue
		}
		break
	}
	n := 0
	if v == Reply {
		e, body := op.Result()
		n = abi.OutHeaderSize + body
		copy(out, abi.Bytes(&abi.OutHeader{Len: uint32(n), Error: -int32(e), Unique: op.hdr.Unique}))
	}
	c.Sent(op)
	c.msgs.Put(m)
	return n
}

func (c *Conn) message() *message {
	if m, ok := c.msgs.Get().(*message); ok {
		return m
	}
	m := &message{late: make(chan struct{}, 1), ep: c.Epoch()}
	m.op = c.NewOp(m)
	return m
}

// run calls the method on a locked thread, for it may switch credentials; one that could not switch back ends.
func (m *message) run(c *Conn) (v Verdict) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		v = c.Run(m.op)
		if !m.op.Tainted() {
			runtime.UnlockOSThread()
		}
	}()
	<-done
	return v
}

// transfer satisfies an extent by plain calls that may wait.
func transfer(op *Op) int32 {
	f, off, buf, rwf, write := op.Transfer()
	done := 0
	for done < len(buf) {
		var n int
		var err error
		if write {
			n, err = pwrite(int(f.FD), buf[done:], off+int64(done), rwf)
		} else {
			n, err = syscall.Pread(int(f.FD), buf[done:], off+int64(done))
		}
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil && done == 0:
			return -int32(errnoOf(err))
		case err != nil || n == 0:
			return int32(done)
		}
		done += n
	}
	return int32(done)
}

func errnoOf(err error) Errno {
	var e syscall.Errno
	if errors.As(err, &e) {
		return Errno(e)
	}
	return EIO
}
