//go:build linux

package passthrough

import (
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

const (
	rd = unix.F_RDLCK
	wr = unix.F_WRLCK
	un = unix.F_UNLCK
)

// lock builds the argument of GETLK, SETLK and SETLKW.
func lockIn(fh, owner uint64, typ int, start, end int64) []byte {
	return abi.Bytes(&abi.LkIn{Fh: fh, Owner: owner, Lk: abi.FileLock{Start: uint64(start), End: uint64(end), Type: uint32(typ), PID: uint32(owner)}})
}

func flockIn(fh, owner uint64, typ int) []byte {
	return abi.Bytes(&abi.LkIn{Fh: fh, Owner: owner, LkFlags: abi.LkFlock, Lk: abi.FileLock{End: lockEOF, Type: uint32(typ)}})
}

// locked is a client with an open file.
type locked struct {
	*client
	path string
	node uint64
	fh   uint64
}

func newLocked(t testing.TB, o Options) *locked {
	dir := t.TempDir()
	l := &locked{path: newFile(t, dir, "f", "0123456789")}
	l.client = newClient(t, dir, o, vfs.Options{Poison: true})
	l.node = l.lookup("f")
	l.fh = l.open(l.node, unix.O_RDWR)
	return l
}

func (l *locked) set(fh, owner uint64, typ int, start, end int64) vfs.Errno {
	e, _ := l.do(abi.OpSetlk, l.node, lockIn(fh, owner, typ, start, end))
	return e
}

func (l *locked) setw(fh, owner uint64, typ int, start, end int64) *call {
	return l.start(abi.OpSetlkw, l.node, lockIn(fh, owner, typ, start, end))
}

func (l *locked) get(owner uint64, typ int, start, end int64) abi.FileLock {
	l.t.Helper()
	e, body := l.do(abi.OpGetlk, l.node, lockIn(l.fh, owner, typ, start, end))
	if e != vfs.OK {
		l.t.Fatal("getlk:", e)
	}
	var out abi.LkOut
	copy(abi.Bytes(&out), body)
	return out.Lk
}

func (l *locked) want(e, want vfs.Errno) {
	l.t.Helper()
	if e != want {
		l.t.Fatalf("got %v, want %v", e, want)
	}
}

// none asserts that nothing is left of any lock, with us or on the host.
func (l *locked) none() {
	l.t.Helper()
	fd := openOFD(l.t, l.path)
	defer unix.Close(fd)
	tab := &l.fs.locks
	eventually(l.t, "all locks gone", func() bool { return tab.files.Load() == 0 })
	tab.waits.mu.Lock()
	defer tab.waits.mu.Unlock()
	if n, o := tab.ranges.Load(), tab.owners.Load(); n != 0 || o != 0 || tab.waits.n != 0 || len(tab.waits.byOwner) != 0 {
		l.t.Fatalf("left behind: %d ranges, %d owners, %d waiters", n, o, tab.waits.n)
	}
	if e := hostLock(fd, false, &lockRange{end: lockEOF, write: true}); e != vfs.OK {
		l.t.Fatal("the host still has a range:", e)
	}
	if e := hostLock(fd, true, &lockRange{write: true}); e != vfs.OK {
		l.t.Fatal("the host still has a flock:", e)
	}
}

func openOFD(t testing.TB, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestLockConflict(t *testing.T) {
	l := newLocked(t, Defaults())
	l.want(l.set(l.fh, 1, wr, 0, 9), vfs.OK)
	l.want(l.set(l.fh, 2, rd, 9, 20), vfs.EAGAIN)
	l.want(l.set(l.fh, 2, rd, 10, lockEOF), vfs.OK)
	l.want(l.set(l.fh, 1, rd, 15, 15), vfs.OK)
	l.want(l.set(l.fh, 1, wr, 15, 15), vfs.EAGAIN)
	if got := l.get(2, rd, 0, 100); got.Type != wr || got.Start != 0 || got.End != 9 || got.PID != 1 {
		t.Fatalf("getlk: %+v", got)
	}
	if got := l.get(1, wr, 12, 13); got.Type != rd || got.Start != 10 || got.End != lockEOF || got.PID != 2 {
		t.Fatalf("getlk: %+v", got)
	}
	if got := l.get(1, wr, 0, 9); got.Type != un {
		t.Fatalf("an owner's own lock in its way: %+v", got)
	}
	l.release(l.node, l.fh)
	l.none()
}

func TestLockBadArguments(t *testing.T) {
	l := newLocked(t, Defaults())
	l.want(l.set(l.fh, 1, 3, 0, 1), vfs.EINVAL)
	l.want(l.set(l.fh, 1, wr, 2, 1), vfs.EINVAL)
	l.want(l.set(l.fh, 1, wr, -2, -1), vfs.EINVAL)
	l.want(l.set(l.fh+1, 1, wr, 0, 1), vfs.EBADF)
	ro, wo := l.open(l.node, unix.O_RDONLY), l.open(l.node, unix.O_WRONLY)
	l.want(l.set(ro, 1, wr, 0, 1), vfs.EBADF)
	l.want(l.set(wo, 1, rd, 0, 1), vfs.EBADF)
	e, _ := l.do(abi.OpGetlk, l.node, lockIn(l.fh, 1, un, 0, 1))
	l.want(e, vfs.EINVAL)
	l.want(l.set(l.fh, 1, un, 0, lockEOF), vfs.OK) // nothing there
	// An end beyond the largest offset is the end of the file.
	e, _ = l.do(abi.OpSetlk, l.node, abi.Bytes(&abi.LkIn{Fh: l.fh, Owner: 1, Lk: abi.FileLock{End: ^uint64(0), Type: wr}}))
	l.want(e, vfs.OK)
	l.want(l.set(l.fh, 2, rd, lockEOF, lockEOF), vfs.EAGAIN)
	l.want(l.set(l.fh, 1, un, 0, lockEOF), vfs.OK)
	l.none()
}

// An owner that reads by one file and writes by another keeps its read locks while its description is opened anew.
func TestLockWiderDescription(t *testing.T) {
	l := newLocked(t, Defaults())
	ro := l.open(l.node, unix.O_RDONLY)
	l.want(l.set(ro, 1, rd, 0, 4), vfs.OK)
	l.want(l.set(ro, 1, rd, 10, 14), vfs.OK)
	l.want(l.set(l.fh, 1, wr, 4, 7), vfs.OK)
	fd := openOFD(t, l.path)
	defer unix.Close(fd)
	for _, c := range []struct {
		r  lockRange
		ok bool
	}{{lockRange{0, 3, true, 0}, false}, {lockRange{0, 3, false, 0}, true}, {lockRange{5, 5, false, 0}, false}, {lockRange{12, 12, true, 0}, false}, {lockRange{8, 9, true, 0}, true}} {
		if e := hostLock(fd, false, &c.r); (e == vfs.OK) != c.ok {
			t.Errorf("host's lock of %+v: %v", c.r, e)
		}
	}
}

// Each close of a process drops all of its POSIX locks on the file, by whatever file they were taken.
func TestLockFlush(t *testing.T) {
	l := newLocked(t, Defaults())
	other := l.open(l.node, unix.O_RDONLY)
	l.want(l.set(l.fh, 1, wr, 0, 9), vfs.OK)
	l.want(l.set(l.fh, 2, wr, 20, 29), vfs.OK)
	w := l.setw(l.fh, 3, wr, 0, 9)
	e, _ := l.do(abi.OpFlush, l.node, abi.Bytes(&abi.FlushIn{Fh: other, LockOwner: 1}))
	l.want(e, vfs.OK)
	l.want(w.wait(), vfs.OK)
	l.want(l.set(l.fh, 1, rd, 20, 20), vfs.EAGAIN) // 2's stays
	l.release(l.node, l.fh)
	l.none()
}

func TestFlock(t *testing.T) {
	l := newLocked(t, Defaults())
	fh2 := l.open(l.node, unix.O_RDONLY)
	do := func(fh, owner uint64, typ int) vfs.Errno {
		e, _ := l.do(abi.OpSetlk, l.node, flockIn(fh, owner, typ))
		return e
	}
	l.want(do(l.fh, 1, rd), vfs.OK)
	l.want(do(fh2, 2, rd), vfs.OK)
	l.want(l.set(l.fh, 9, wr, 0, lockEOF), vfs.OK) // ranges and flocks do not meet
	// A conversion that fails has lost the lock, as flock(2) says.
	l.want(do(l.fh, 1, wr), vfs.EAGAIN)
	l.want(do(fh2, 2, wr), vfs.OK)
	// Two that convert while both hold it: the first waits without it, the second gets it.
	l.want(do(fh2, 2, rd), vfs.OK)
	l.want(do(l.fh, 1, rd), vfs.OK)
	w := l.start(abi.OpSetlkw, l.node, flockIn(l.fh, 1, wr))
	if w.answered() {
		t.Fatal("two exclusive flocks")
	}
	l.want(do(fh2, 2, wr), vfs.OK)
	// RELEASE with the unlock flag gives it to the waiter before it is acknowledged.
	e, _ := l.do(abi.OpRelease, l.node, abi.Bytes(&abi.ReleaseIn{Fh: fh2, ReleaseFlags: abi.ReleaseFlockUnlock, LockOwner: 2}))
	l.want(e, vfs.OK)
	if !w.answered() {
		t.Fatal("the waiter was not served before the acknowledgement")
	}
	l.want(w.wait(), vfs.OK)
	l.release(l.node, l.fh)
	l.none()
}

func TestLockWaitersInOrder(t *testing.T) {
	l := newLocked(t, Defaults())
	l.want(l.set(l.fh, 1, wr, 0, 9), vfs.OK)
	var w []*call
	for i := range 256 {
		w = append(w, l.setw(l.fh, uint64(100+i), wr, 0, 9))
	}
	l.want(l.set(l.fh, 1, un, 0, 9), vfs.OK)
	for i, k := range w {
		l.want(k.wait(), vfs.OK)
		if i+1 < len(w) && w[i+1].answered() {
			t.Fatal("two writers at once")
		}
		l.want(l.set(l.fh, uint64(100+i), un, 5, lockEOF), vfs.OK)
		l.want(l.set(l.fh, uint64(100+i), un, 0, 4), vfs.OK)
	}
	l.none()
}

func TestLockReadersTogether(t *testing.T) {
	l := newLocked(t, Defaults())
	l.want(l.set(l.fh, 1, wr, 0, lockEOF), vfs.OK)
	var w []*call
	for i := range 64 {
		w = append(w, l.setw(l.fh, uint64(100+i), rd, int64(i), lockEOF))
	}
	l.want(l.set(l.fh, 1, rd, 0, lockEOF), vfs.OK) // a downgrade lets all readers in
	for _, k := range w {
		if !k.answered() {
			t.Fatal("a reader waits for a reader")
		}
		l.want(k.wait(), vfs.OK)
	}
	l.release(l.node, l.fh)
	l.none()
}

func TestLockInterrupt(t *testing.T) {
	l := newLocked(t, Defaults())
	l.want(l.set(l.fh, 1, wr, 0, 9), vfs.OK)
	a, b := l.setw(l.fh, 2, wr, 0, 9), l.setw(l.fh, 3, wr, 0, 9)
	l.interrupt(a)
	l.want(a.wait(), vfs.EINTR)
	l.interrupt(a) // once more: nobody there
	l.want(l.set(l.fh, 1, un, 0, 9), vfs.OK)
	l.want(b.wait(), vfs.OK)
	l.want(l.set(l.fh, 3, un, 0, 9), vfs.OK)
	l.none()
}

func TestLockDeadlock(t *testing.T) {
	l := newLocked(t, Defaults())
	l.want(l.set(l.fh, 1, wr, 0, 0), vfs.OK)
	l.want(l.set(l.fh, 2, wr, 1, 1), vfs.OK)
	l.want(l.set(l.fh, 3, wr, 2, 2), vfs.OK)
	a, b := l.setw(l.fh, 1, wr, 1, 1), l.setw(l.fh, 2, wr, 2, 2)
	l.want(l.setw(l.fh, 3, wr, 0, 0).wait(), vfs.EDEADLK)
	l.want(l.set(l.fh, 3, un, 2, 2), vfs.OK)
	l.want(b.wait(), vfs.OK)
	l.want(l.set(l.fh, 2, un, 1, 2), vfs.OK)
	l.want(a.wait(), vfs.OK)
	l.want(l.set(l.fh, 1, un, 0, 9), vfs.OK)
	l.none()
}

// A cycle over two files that only closes when another owner gets out of the way.
func TestLockDeadlockLater(t *testing.T) {
	l := newLocked(t, Defaults())
	newFile(t, l.dir(), "g", "")
	g := l.lookup("g")
	gh := l.open(g, unix.O_RDWR)
	l.want(l.set(l.fh, 1, rd, 0, 0), vfs.OK)
	l.want(l.set(l.fh, 2, rd, 0, 0), vfs.OK)
	e, _ := l.do(abi.OpSetlk, g, lockIn(gh, 3, wr, 0, 0))
	l.want(e, vfs.OK)
	w := l.setw(l.fh, 3, wr, 0, 0) // waits for 1, then for 2
	x := l.start(abi.OpSetlkw, g, lockIn(gh, 2, wr, 0, 0))
	l.want(l.set(l.fh, 1, un, 0, 0), vfs.OK)
	l.want(w.wait(), vfs.EDEADLK)
	e, _ = l.do(abi.OpSetlk, g, lockIn(gh, 3, un, 0, 0))
	l.want(e, vfs.OK)
	l.want(x.wait(), vfs.OK)
}

func (l *locked) dir() string { return l.path[:len(l.path)-2] }

func TestLockLimit(t *testing.T) {
	o := Defaults()
	o.MaxLocks = 8
	l := newLocked(t, o)
	var last vfs.Errno
	n := 0
	for ; n < 20 && last == vfs.OK; n++ {
		last = l.set(l.fh, 1, wr, int64(2*n), int64(2*n))
	}
	l.want(last, vfs.ENOLCK)
	l.want(l.set(l.fh, 1, un, 0, lockEOF), vfs.OK)
	l.want(l.set(l.fh, 1, wr, 0, 9), vfs.OK)
	var w []*call
	for i := range 9 {
		w = append(w, l.setw(l.fh, 2, wr, int64(i), int64(i)))
	}
	l.want(w[8].wait(), vfs.ENOLCK)
	l.want(l.set(l.fh, 1, un, 0, 9), vfs.OK)
	for _, k := range w[:5] {
		l.want(k.wait(), vfs.OK)
	}
	l.release(l.node, l.fh)
	l.none()
}

// Two kernels number their owners alike.
func TestLockTwoConnections(t *testing.T) {
	l := newLocked(t, Defaults())
	c2 := attach(t, l.fs, vfs.Options{})
	l.fs.Retain(l.fs.Root()) // each connection gives the root back
	node := c2.lookup("f")
	fh := c2.open(node, unix.O_RDWR)
	l.want(l.set(l.fh, 1, wr, 0, 9), vfs.OK)
	e, _ := c2.do(abi.OpSetlk, node, lockIn(fh, 1, wr, 0, 9))
	l.want(e, vfs.EAGAIN)
	w := c2.start(abi.OpSetlkw, node, lockIn(fh, 1, wr, 0, 9))
	l.c.Shutdown()
	l.want(w.wait(), vfs.OK)
}

// A connection that ends with waiters answers them, and everything is given back.
func TestLockShutdown(t *testing.T) {
	l := newLocked(t, Defaults())
	l.want(l.set(l.fh, 1, wr, 0, 9), vfs.OK)
	var w []*call
	for i := range 8 {
		w = append(w, l.setw(l.fh, uint64(2+i), rd, 0, 9))
	}
	l.c.Shutdown()
	for _, k := range w {
		if e := k.wait(); e != vfs.EINTR && e != vfs.OK {
			t.Fatal(e)
		}
	}
	<-l.c.Done()
	l.none()
}

func TestLockDescriptors(t *testing.T) {
	l := newLocked(t, Defaults())
	before := openFDs(t)
	for i := range 50 {
		l.want(l.set(l.fh, uint64(i), rd, 0, 9), vfs.OK)
	}
	for i := range 50 {
		l.want(l.set(l.fh, uint64(i), un, 0, 9), vfs.OK)
	}
	if n := openFDs(t); n != before {
		t.Fatalf("%d descriptors, %d before", n, before)
	}
}

func openFDs(t testing.TB) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// On a file system that may take long no loop closes the host's descriptor; the next one to come does, and finds the file free.
func TestFlockReleaseRemote(t *testing.T) {
	l := newLocked(t, Defaults())
	key := l.fs.node(l.fs.root)
	l.fs.mounts.get(key.mnt).pace.Class = vfs.PaceRemote
	for range 50 {
		a, b := l.open(l.node, unix.O_RDWR), l.open(l.node, unix.O_RDWR)
		e, _ := l.do(abi.OpSetlk, l.node, flockIn(a, 1, wr))
		l.want(e, vfs.OK)
		w := l.start(abi.OpSetlkw, l.node, flockIn(b, 2, wr))
		e, _ = l.do(abi.OpRelease, l.node, abi.Bytes(&abi.ReleaseIn{Fh: a, ReleaseFlags: abi.ReleaseFlockUnlock, LockOwner: 1}))
		l.want(e, vfs.OK)
		l.want(w.wait(), vfs.OK)
		e, _ = l.do(abi.OpRelease, l.node, abi.Bytes(&abi.ReleaseIn{Fh: b, ReleaseFlags: abi.ReleaseFlockUnlock, LockOwner: 2}))
		l.want(e, vfs.OK)
		e, _ = l.do(abi.OpSetlk, l.node, flockIn(l.fh, 3, wr))
		l.want(e, vfs.OK)
		e, _ = l.do(abi.OpSetlk, l.node, flockIn(l.fh, 3, un))
		l.want(e, vfs.OK)
	}
	l.none()
}

// Owners lock, wait, are interrupted and go away all at once; whoever holds a write lock is alone.
func TestLockStorm(t *testing.T) {
	l := newLocked(t, Defaults())
	var writers, readers [4]atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		c := &client{t: t, fs: l.fs, c: l.client.c, ep: l.client.c.Epoch(), unique: uint64(i+1) << 32}
		wg.Go(func() { stormOwner(t, c, l.node, l.fh, uint64(i+1), &writers, &readers) })
	}
	wg.Wait()
	l.release(l.node, l.fh)
	l.none()
}

func stormOwner(t *testing.T, c *client, node, fh, owner uint64, writers, readers *[4]atomic.Int32) {
	rnd := rand.New(rand.NewPCG(owner, 1))
	for range 300 {
		slot, write := rnd.IntN(4), rnd.IntN(2) == 0
		pos, typ := int64(slot)*10, rd
		if write {
			typ = wr
		}
		k := c.start(abi.OpSetlkw, node, lockIn(fh, owner, typ, pos, pos+9))
		if rnd.IntN(8) == 0 {
			c.interrupt(k)
		}
		switch e := k.wait(); e {
		case vfs.OK:
		case vfs.EINTR:
			continue
		default:
			t.Error(e)
			return
		}
		if write {
			if writers[slot].Add(1) != 1 || readers[slot].Load() != 0 {
				t.Error("a writer is not alone")
			}
			writers[slot].Add(-1)
		} else {
			readers[slot].Add(1)
			if writers[slot].Load() != 0 {
				t.Error("a reader beside a writer")
			}
			readers[slot].Add(-1)
		}
		if rnd.IntN(2) == 0 {
			c.do(abi.OpFlush, node, abi.Bytes(&abi.FlushIn{Fh: fh, LockOwner: owner}))
		} else {
			c.do(abi.OpSetlk, node, lockIn(fh, owner, un, 0, lockEOF))
		}
	}
}
