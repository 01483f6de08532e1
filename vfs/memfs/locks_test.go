package memfs

import (
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

func lk(fh, owner, start, end uint64, typ, flags uint32) []byte {
	return abi.Bytes(&abi.LkIn{Fh: fh, Owner: owner, LkFlags: flags, Lk: abi.FileLock{Start: start, End: end, Type: typ}})
}

// waits waits until n requests are Pending.
func waits(t *testing.T, fs *FS, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		fs.mu.Lock()
		got := len(fs.waits)
		fs.mu.Unlock()
		if got == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d wait", got, n)
		}
	}
}

func lockPeer(t *testing.T) (*vfstest.Peer, *FS, uint64, uint64) {
	fs := New(Options{})
	c, err := vfs.NewConn(vfs.Resolve(fs), vfs.Options{Poison: true})
	if err != nil {
		t.Fatal(err)
	}
	p := vfstest.NewPeer(t, c)
	node, fh := p.Create(abi.RootID, "f")
	return p, fs, node, fh
}

// TestDeadlock: the request that would close a circle of waiting owners is refused, the others get their locks.
func TestDeadlock(t *testing.T) {
	p, fs, f, fh := lockPeer(t)
	for owner := range uint64(3) {
		if e, _ := p.Send(abi.OpSetlk, f, lk(fh, owner+1, owner, owner, writeLock, 0)); e != vfs.OK {
			t.Fatal(e)
		}
	}
	_, a := p.Go(abi.OpSetlkw, f, lk(fh, 1, 1, 1, writeLock, 0)) // 1 waits for 2
	waits(t, fs, 1)
	_, b := p.Go(abi.OpSetlkw, f, lk(fh, 2, 2, 2, writeLock, 0)) // 2 waits for 3
	waits(t, fs, 2)
	if e, _ := p.Send(abi.OpSetlkw, f, lk(fh, 3, 0, 0, writeLock, 0)); e != vfs.EDEADLK {
		t.Fatal("3 waits for 1:", e)
	}
	p.Send(abi.OpFlush, f, abi.Bytes(&abi.FlushIn{Fh: fh, LockOwner: 3}))
	if e := <-b; e != vfs.OK {
		t.Fatal(e)
	}
	p.Send(abi.OpFlush, f, abi.Bytes(&abi.FlushIn{Fh: fh, LockOwner: 2}))
	if e := <-a; e != vfs.OK {
		t.Fatal(e)
	}
}

// TestFlockUpgrade: two that share a flock and both want it alone do not wait for each other for ever.
func TestFlockUpgrade(t *testing.T) {
	p, fs, f, fh := lockPeer(t)
	const end = 1<<63 - 1
	for owner := uint64(1); owner <= 2; owner++ {
		if e, _ := p.Send(abi.OpSetlk, f, lk(fh, owner, 0, end, readLock, abi.LkFlock)); e != vfs.OK {
			t.Fatal(e)
		}
	}
	_, a := p.Go(abi.OpSetlkw, f, lk(fh, 1, 0, end, writeLock, abi.LkFlock))
	waits(t, fs, 1)
	// The second has the file alone now, for the first gave its lock up.
	if e, _ := p.Send(abi.OpSetlkw, f, lk(fh, 2, 0, end, writeLock, abi.LkFlock)); e != vfs.OK {
		t.Fatal(e)
	}
	if e, _ := p.Send(abi.OpSetlk, f, lk(fh, 2, 0, end, unlock, abi.LkFlock)); e != vfs.OK {
		t.Fatal(e)
	}
	if e := <-a; e != vfs.OK {
		t.Fatal(e)
	}
}

// TestLocksEndWithTheConnection: a peer that goes without a word leaves no lock behind for the next one.
func TestLocksEndWithTheConnection(t *testing.T) {
	p, fs, f, fh := lockPeer(t)
	if e, _ := p.Send(abi.OpSetlk, f, lk(fh, 1, 0, 10, writeLock, 0)); e != vfs.OK {
		t.Fatal(e)
	}
	p.C.Shutdown()
	<-p.C.Done()
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, n := range fs.nodes {
		if n != nil && len(n.locks.held) > 0 {
			t.Errorf("%d locks are left", len(n.locks.held))
		}
	}
}
