package vfstest

import (
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// answerLimit is when a test gives up; no good run comes near it.
const answerLimit = 60 * time.Second

// answered waits for the answer of a request sent by Go.
func answered(t *testing.T, c <-chan vfs.Errno) vfs.Errno {
	t.Helper()
	select {
	case e := <-c:
		return e
	case <-time.After(answerLimit):
		t.Fatal("no answer")
	}
	return vfs.EIO
}

// parked waits until n requests are in flight.
func (p *Peer) parked(n int) {
	p.T.Helper()
	for end := time.Now().Add(answerLimit); p.C.InFlight() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.T.Fatalf("%d of %d requests wait", p.C.InFlight(), n)
		}
	}
}

func lockOf(fh, owner uint64, typ uint32) []byte {
	return abi.Bytes(&abi.LkIn{Fh: fh, Owner: owner, Lk: abi.FileLock{End: 1<<63 - 1, Type: typ, PID: 1}})
}

// hostileWaits: a lock that waits is interrupted, granted by an unlock and by a FLUSH; its unique may be used twice.
func hostileWaits(t *testing.T, p *Peer) {
	file, fh := p.Create(abi.RootID, "f")
	defer p.dropAll(file)
	const wr, un = 1, 2
	e, _ := p.Send(abi.OpSetlk, file, lockOf(fh, ownerOne, wr))
	if e == vfs.ENOSYS {
		return
	}
	wantErr(t, "SETLK", e, vfs.OK)
	e, _ = p.Send(abi.OpSetlk, file, lockOf(fh, ownerTwo, wr))
	wantErr(t, "SETLK of what is locked", e, vfs.EAGAIN, vfs.EACCES)

	unique, a := p.Go(abi.OpSetlkw, file, lockOf(fh, ownerTwo, wr))
	p.parked(1)
	e, _ = p.SendHeader(abi.InHeader{Opcode: abi.OpGetattr, NodeID: file, Unique: unique}, make([]byte, 16))
	wantErr(t, "a unique that is in flight", e, vfs.OK)
	p.Send(abi.OpInterrupt, 0, abi.Bytes(&abi.InterruptIn{Unique: unique}))
	p.Send(abi.OpInterrupt, 0, abi.Bytes(&abi.InterruptIn{Unique: unique}))
	wantErr(t, "an interrupted wait", answered(t, a), vfs.EINTR)

	_, a = p.Go(abi.OpSetlkw, file, lockOf(fh, ownerTwo, wr))
	_, b := p.Go(abi.OpSetlkw, file, lockOf(fh, ownerThree, wr))
	p.parked(2)
	e, _ = p.Send(abi.OpFlush, file, abi.Bytes(&abi.FlushIn{Fh: fh, LockOwner: ownerOne}))
	wantErr(t, "FLUSH", e, vfs.OK)
	other := b
	owners := [2]uint64{ownerTwo, ownerThree}
	select {
	case e = <-a:
	case e = <-b:
		other, owners = a, [2]uint64{ownerThree, ownerTwo}
	case <-time.After(answerLimit):
		t.Fatal("nobody was given the lock")
	}
	wantErr(t, "a wait that a FLUSH ends", e, vfs.OK)
	e, _ = p.Send(abi.OpSetlk, file, lockOf(fh, owners[0], un))
	wantErr(t, "unlock", e, vfs.OK)
	wantErr(t, "a wait that an unlock ends", answered(t, other), vfs.OK)
	e, _ = p.Send(abi.OpSetlk, file, lockOf(fh, owners[1], un))
	wantErr(t, "unlock", e, vfs.OK)
	p.Release(file, fh)
}

// endWhileBlocked: a connection that ends answers who waits for a lock, and everything is given back.
func endWhileBlocked(t *testing.T, c *vfs.Conn) {
	p := NewPeer(t, c)
	file, fh := p.Create(abi.RootID, "f")
	if e, _ := p.Send(abi.OpSetlk, file, lockOf(fh, ownerOne, 1)); e == vfs.ENOSYS {
		c.Shutdown()
		return
	}
	_, a := p.Go(abi.OpSetlkw, file, lockOf(fh, ownerTwo, 1))
	p.parked(1)
	// RELEASE while a request of the same handle waits: the handle lives until that one ends.
	p.Release(file, fh)
	p.Forget(file, 1)
	c.Shutdown()
	wantErr(t, "a wait at the end", answered(t, a), vfs.EINTR, vfs.ENOTCONN)
	select {
	case <-c.Done():
	case <-time.After(answerLimit):
		t.Fatal("the connection does not end")
	}
}
