//go:build linux

package fusedev

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/vfs"
)

// ownEngine is an engine for this test alone; it must be free of mounts when the test ends.
func ownEngine(t testing.TB) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Config{Logger: quiet()})
	if err == nil {
		err = e.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// The files of a busyFS, by key.
const (
	busyRoot = iota
	busyLock // has one exclusive lock
	busySlow // READ waits for release
	busyBad  // GETATTR of an open file panics
	busyData // READ and WRITE are extents of a host file
)

var busyNames = map[string]vfs.Key{"lock": busyLock, "slow": busySlow, "bad": busyBad, "data": busyData}

// busyFS keeps requests waiting in every way there is.
type busyFS struct {
	inline  bool
	data    *vfs.File
	stalled atomic.Int64  // READs of slow that wait
	release chan struct{} // closed: READs of slow return

	mu      sync.Mutex
	owner   uint64       // guarded by mu; 0: the lock is free
	waiters []busyWaiter // guarded by mu
}

type busyWaiter struct {
	owner uint64
	t     vfs.Token
}

func newBusyFS(inline bool) *busyFS { return &busyFS{inline: inline, release: make(chan struct{})} }

func (b *busyFS) Inline() bool { return b.inline }

func (b *busyFS) attr(n vfs.Key, out *vfs.Stat) {
	out.Attr = abi.Attr{Ino: uint64(n) + 1, Mode: unix.S_IFREG | 0o666, Nlink: 1, Size: 1 << 20, Blksize: 4096}
	if n == busyRoot {
		out.Attr.Mode, out.Attr.Nlink = unix.S_IFDIR|0o777, 2
	}
}

func (b *busyFS) Getattr(_ *vfs.Op, n vfs.Key, _ *vfs.Open, out *vfs.Stat) vfs.Errno {
	if n == busyBad {
		panic("a back-end's bug")
	}
	b.attr(n, out)
	return vfs.OK
}

func (b *busyFS) Lookup(_ *vfs.Op, _ vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	k, ok := busyNames[string(name)]
	if !ok {
		return vfs.ENOENT
	}
	out.Key, out.EntryTTL = k, time.Hour
	b.attr(k, &out.Stat)
	return vfs.OK
}

func (b *busyFS) Open(_ *vfs.Op, _ vfs.Key, _ *abi.OpenIn, out *vfs.Opened) vfs.Errno {
	out.Flags = abi.FopenDirectIO
	return vfs.OK
}

func (b *busyFS) Read(op *vfs.Op, f vfs.Open, off int64, n int32, _ *abi.ReadIn) (vfs.Payload, vfs.Errno) {
	if f.Node == busyData {
		return op.Extent(b.data, off, n), vfs.OK
	}
	if f.Node == busySlow {
		if op.Nonblock() {
			return vfs.Payload{}, vfs.WouldBlock
		}
		b.stalled.Add(1)
		defer b.stalled.Add(-1)
		select {
		case <-b.release:
		case <-op.Done():
			return vfs.Payload{}, vfs.EINTR
		}
	}
	return op.Bytes(op.Reply(int(n))), vfs.OK
}

func (b *busyFS) Write(op *vfs.Op, f vfs.Open, off int64, data []byte, _ *abi.WriteIn) (vfs.Payload, vfs.Errno) {
	if f.Node == busyData {
		return op.Extent(b.data, off, int32(len(data))), vfs.OK
	}
	return op.Count(len(data)), vfs.OK
}

func (b *busyFS) Setlk(op *vfs.Op, _ vfs.Open, lk *vfs.Lock, wait bool) vfs.Errno {
	b.mu.Lock()
	if lk.Type == unix.F_UNLCK {
		var next *busyWaiter
		if b.owner == lk.Owner {
			b.owner = 0
			if len(b.waiters) > 0 {
				next = &b.waiters[0]
				b.waiters = b.waiters[1:]
				b.owner = next.owner
			}
		}
		b.mu.Unlock()
		if next != nil {
			next.t.Complete(vfs.OK, 0)
		}
		return vfs.OK
	}
	defer b.mu.Unlock()
	switch {
	case b.owner == 0 || b.owner == lk.Owner:
		b.owner = lk.Owner
		return vfs.OK
	case !wait:
		return vfs.EAGAIN
	}
	b.waiters = append(b.waiters, busyWaiter{lk.Owner, op.Token()})
	return vfs.Pending
}

func (b *busyFS) Cancel(t vfs.Token) {
	b.mu.Lock()
	found := false
	for i := range b.waiters {
		if b.waiters[i].t == t {
			b.waiters = append(b.waiters[:i], b.waiters[i+1:]...)
			found = true
			break
		}
	}
	b.mu.Unlock()
	if found {
		t.Complete(vfs.EINTR, 0)
	}
}

// waiting is how many locks wait.
func (b *busyFS) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiters)
}

// busyDeadline bounds what must happen at all; a busy machine needs time.
const busyDeadline = 30 * time.Second

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(busyDeadline); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not after %v", what, busyDeadline)
		}
	}
}

// onCPU0 runs f on a thread of its own that is pinned to CPU 0; its result comes through the channel.
func onCPU0(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		var set unix.CPUSet
		set.Set(0)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return done
}

// promptly is the result of done, or a failed test.
func promptly(t *testing.T, what string, d time.Duration, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(d):
		t.Fatalf("%s: no answer within %v", what, d)
		return nil
	}
}

// mountBusy mounts fs; the test's end aborts whatever still waits, and so does the time: a process that waits for a mount
// which it serves itself cannot even be killed.
func mountBusy(t *testing.T, e *engine.Engine, fs any, o Options) *Server {
	t.Helper()
	s, err := Mount(e, fs, mountPoint(t), o)
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(4*busyDeadline, func() {
		t.Error("the mount hangs")
		s.Abort()
	})
	t.Cleanup(func() {
		late.Stop()
		s.Detach()
		s.Abort()
		if err := s.Close(); err != nil && t.Failed() {
			t.Log(err)
		}
	})
	return s
}

func open(t testing.TB, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// ofd is fcntl(F_OFD_SETLK...) of the first byte, without EINTR.
func ofd(fd, cmd int, typ int16) error {
	for {
		err := unix.FcntlFlock(uintptr(fd), cmd, &unix.Flock_t{Type: typ, Len: 1})
		if err != unix.EINTR {
			return err
		}
	}
}

// forceStat is one GETATTR.
func forceStat(fd int) error {
	var st unix.Statx_t
	return unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS, &st)
}
