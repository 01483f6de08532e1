//go:build linux

package engine

import (
	"sync"
	"sync/atomic"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// acts is a file system of which a test says what it does: the upper half of a READ's or WRITE's offset picks the act.
// Its LOOKUPs count references.
type acts struct {
	inline bool
	cancel func(t vfs.Token) // of INTERRUPTs; nil: the answer is EINTR
	refs   atomic.Int64

	mu   sync.Mutex
	list []act // guarded by mu
}

// act is one behaviour. READ has no data and wants n bytes.
type act func(op *vfs.Op, off int64, n int32, data []byte) (vfs.Payload, vfs.Errno)

const actShift = 32

// add makes an act known and returns the offset that picks it.
func (a *acts) add(f act) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, f)
	return int64(len(a.list)-1) << actShift
}

func (a *acts) do(op *vfs.Op, off int64, n int32, data []byte) (vfs.Payload, vfs.Errno) {
	a.mu.Lock()
	f := a.list[off>>actShift]
	a.mu.Unlock()
	return f(op, off&(1<<actShift-1), n, data)
}

func (a *acts) Inline() bool { return a.inline }

// Root is a reference, too.
func (a *acts) Root() vfs.Key { a.refs.Add(1); return 0 }

func (a *acts) Read(op *vfs.Op, _ vfs.Open, off int64, n int32, _ *abi.ReadIn) (vfs.Payload, vfs.Errno) {
	return a.do(op, off, n, nil)
}

func (a *acts) Write(op *vfs.Op, _ vfs.Open, off int64, data []byte, _ *abi.WriteIn) (vfs.Payload, vfs.Errno) {
	return a.do(op, off, int32(len(data)), data)
}

// Lookup finds any name; one that begins with "w" only off the loops.
func (a *acts) Lookup(op *vfs.Op, _ vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	if name[0] == 'w' && op.Nonblock() {
		return vfs.WouldBlock
	}
	a.refs.Add(1)
	out.Key = vfs.Key(name[len(name)-1])
	return vfs.OK
}

func (a *acts) Forget(_ vfs.Key, n uint64) { a.refs.Add(-int64(n)) }

func (a *acts) Getattr(_ *vfs.Op, _ vfs.Key, _ *vfs.Open, out *vfs.Stat) vfs.Errno {
	out.Attr.Ino = 1
	return vfs.OK
}

func (a *acts) Cancel(t vfs.Token) {
	if a.cancel != nil {
		a.cancel(t)
		return
	}
	t.Complete(vfs.EINTR, 0)
}

// offLoop is f where it may wait.
func offLoop(f act) act {
	return func(op *vfs.Op, off int64, n int32, data []byte) (vfs.Payload, vfs.Errno) {
		if op.Nonblock() {
			return vfs.Payload{}, vfs.WouldBlock
		}
		return f(op, off, n, data)
	}
}

// answer is an act that answers a READ with n bytes b, and a WRITE with their number.
func answer(b byte) act {
	return func(op *vfs.Op, _ int64, n int32, data []byte) (vfs.Payload, vfs.Errno) {
		if data != nil {
			return op.Count(len(data)), vfs.OK
		}
		return op.Bytes(fill(op.Reply(int(n)), b)), vfs.OK
	}
}

func fill(buf []byte, b byte) []byte {
	copy(buf, []byte{b})
	for n := 1; n < len(buf); n *= 2 { // the race detector makes a loop over bytes slow
		copy(buf[n:], buf[:n])
	}
	return buf
}

func fails(e vfs.Errno) act {
	return func(*vfs.Op, int64, int32, []byte) (vfs.Payload, vfs.Errno) { return vfs.Payload{}, e }
}
