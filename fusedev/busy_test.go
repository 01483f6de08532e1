//go:build linux

package fusedev

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// answerSoon is what a request may take whose CPU has hundreds of others waiting. The goal is 10 ms; the bound is for a
// machine that does something else as well.
const answerSoon = 2 * time.Second

// bothKinds runs f for each transport, with a file system that runs on loops and with one that gets goroutines.
func bothKinds(t *testing.T, f func(t *testing.T, o Options, inline bool)) {
	every(t, func(t *testing.T, kind Transport) {
		for _, inline := range []bool{true, false} {
			t.Run(fmt.Sprintf("inline=%v", inline), func(t *testing.T) { f(t, options(kind), inline) })
		}
	})
}

// TestHeldRequests: 256 waiting locks and 64 stalled reads of one CPU hold up nothing else there.
func TestHeldRequests(t *testing.T) {
	bothKinds(t, func(t *testing.T, o Options, inline bool) {
		holdMany(t, o, inline, 256, 64)
	})
}

// TestHeldRequestsShallow: even when the kernel's queue ran dry because all its entries are held at once.
func TestHeldRequestsShallow(t *testing.T) {
	o := options(Uring)
	o.QueueDepth = 2
	holdMany(t, o, true, 100, 10)
}

func holdMany(t *testing.T, o Options, inline bool, locks, reads int) {
	fs := newBusyFS(inline)
	s := mountBusy(t, ownEngine(t), fs, o)
	first := open(t, filepath.Join(s.Dir(), "lock"))
	if err := ofd(first, unix.F_OFD_SETLK, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	var lockDone, readDone []<-chan error
	for range locks {
		fd := open(t, filepath.Join(s.Dir(), "lock"))
		lockDone = append(lockDone, onCPU0(func() error {
			if err := ofd(fd, unix.F_OFD_SETLKW, unix.F_WRLCK); err != nil {
				return err
			}
			return ofd(fd, unix.F_OFD_SETLK, unix.F_UNLCK)
		}))
	}
	slow := open(t, filepath.Join(s.Dir(), "slow"))
	for i := range reads {
		readDone = append(readDone, onCPU0(func() error {
			for { // the runtime's own signals interrupt a read that stalls
				if _, err := unix.Pread(slow, make([]byte, 4096), int64(i)*4096); err != unix.EINTR {
					return err
				}
			}
		}))
	}
	eventually(t, fmt.Sprintf("all %d locks wait", locks), func() bool { return fs.waiting() == locks })
	eventually(t, "reads stall", func() bool { return fs.stalled.Load() >= min(int64(reads), 16) })

	other := open(t, filepath.Join(s.Dir(), "data"))
	for range 10 {
		begun := time.Now()
		if err := promptly(t, "stat", answerSoon, onCPU0(func() error { return forceStat(other) })); err != nil {
			t.Fatal(err)
		}
		t.Log("stat after", time.Since(begun))
	}
	if err := promptly(t, "close", answerSoon, onCPU0(func() error { return unix.Close(must(unix.Dup(other))) })); err != nil {
		t.Fatal(err)
	}
	if err := promptly(t, "unlock", answerSoon, onCPU0(func() error { return ofd(first, unix.F_OFD_SETLK, unix.F_UNLCK) })); err != nil {
		t.Fatal(err)
	}
	for _, d := range lockDone {
		if err := promptly(t, "a lock", busyDeadline, d); err != nil {
			t.Fatal(err)
		}
	}
	close(fs.release)
	for _, d := range readDone {
		if err := promptly(t, "a read", busyDeadline, d); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "nothing in flight", func() bool { return s.Conn().InFlight() == 0 })
	if n := s.Conn().LateDup.Load(); n != 0 {
		t.Errorf("%d requests were answered twice", n)
	}
}

func must(fd int, err error) int {
	if err != nil {
		panic(err)
	}
	return fd
}

// TestInterrupt: a signal ends a read that stalls. (A waiting lock is restarted by the kernel, unless the signal kills.)
func TestInterrupt(t *testing.T) {
	bothKinds(t, func(t *testing.T, o Options, inline bool) {
		fs := newBusyFS(inline)
		s := mountBusy(t, ownEngine(t), fs, o)
		slow := open(t, filepath.Join(s.Dir(), "slow"))
		interrupted(t, func() bool { return fs.stalled.Load() == 1 }, func() error {
			_, err := unix.Pread(slow, make([]byte, 10), 0)
			return err
		})
		eventually(t, "nothing in flight", func() bool { return s.Conn().InFlight() == 0 })
	})
}

// interrupted runs f on a thread, sends it signals once it waits, and wants EINTR.
func interrupted(t *testing.T, waits func() bool, f func() error) {
	t.Helper()
	tid, done := make(chan int, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		tid <- unix.Gettid()
		done <- f()
	}()
	id := <-tid
	eventually(t, "the call waits", waits)
	for end := time.Now().Add(busyDeadline); time.Now().Before(end); {
		if err := unix.Tgkill(unix.Getpid(), id, unix.SIGURG); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if !errors.Is(err, unix.EINTR) {
				t.Fatalf("the call ended with %v, want EINTR", err)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatal("a signal does not end the call")
}

// TestGoesWhileBusy: an abort and a lazy unmount with files that close end everything that waits.
func TestGoesWhileBusy(t *testing.T) {
	for _, abort := range []bool{true, false} {
		t.Run(fmt.Sprintf("abort=%v", abort), func(t *testing.T) {
			bothKinds(t, func(t *testing.T, o Options, inline bool) { goBusy(t, o, inline, abort) })
		})
	}
}

func goBusy(t *testing.T, o Options, inline, abort bool) {
	fs := newBusyFS(inline)
	s := mountBusy(t, ownEngine(t), fs, o)
	lock := must(unix.Open(filepath.Join(s.Dir(), "lock"), unix.O_RDWR|unix.O_CLOEXEC, 0))
	if err := ofd(lock, unix.F_OFD_SETLK, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	var done []<-chan error
	for range 20 {
		fd := must(unix.Open(filepath.Join(s.Dir(), "lock"), unix.O_RDWR|unix.O_CLOEXEC, 0))
		done = append(done, onCPU0(func() error {
			defer unix.Close(fd)
			if err := ofd(fd, unix.F_OFD_SETLKW, unix.F_WRLCK); err != nil {
				return err
			}
			return ofd(fd, unix.F_OFD_SETLK, unix.F_UNLCK) // the kernel tells a file's server nothing of it at close
		}))
	}
	slow := must(unix.Open(filepath.Join(s.Dir(), "slow"), unix.O_RDWR|unix.O_CLOEXEC, 0))
	done = append(done, onCPU0(func() error {
		_, err := unix.Pread(slow, make([]byte, 4096), 0)
		return errors.Join(err, unix.Close(slow))
	}))
	eventually(t, "all wait", func() bool { return fs.waiting() == 20 && fs.stalled.Load() == 1 })
	if err := s.Detach(); err != nil {
		t.Fatal(err)
	}
	if abort {
		if err := s.Abort(); err != nil {
			t.Fatal(err)
		}
	} else { // those who wait get their answers although the mount is out of the tree
		close(fs.release)
		if err := ofd(lock, unix.F_OFD_SETLK, unix.F_UNLCK); err != nil {
			t.Fatal(err)
		}
	}
	unix.Close(lock)
	failed := 0
	for _, d := range done {
		if promptly(t, "a waiter", busyDeadline, d) != nil {
			failed++
		}
	}
	if abort && failed == 0 {
		t.Error("an abort failed nobody")
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	err := promptly(t, "Wait", busyDeadline, ended)
	if abort != errors.Is(err, ErrAborted) {
		t.Errorf("Wait says %v", err)
	}
	if n := s.Conn().InFlight(); n != 0 {
		t.Errorf("%d requests are in flight after the end", n)
	}
}

// TestPanic: a back-end's bug is its caller's EIO and nobody else's business.
func TestPanic(t *testing.T) {
	bothKinds(t, func(t *testing.T, o Options, inline bool) {
		s := mountBusy(t, ownEngine(t), newBusyFS(inline), o)
		bad, ok := open(t, filepath.Join(s.Dir(), "bad")), open(t, filepath.Join(s.Dir(), "lock"))
		for range 30 {
			if err := promptly(t, "stat", busyDeadline, onCPU0(func() error { return forceStat(bad) })); !errors.Is(err, unix.EIO) {
				t.Fatalf("stat says %v, want EIO", err)
			}
			if err := promptly(t, "stat", busyDeadline, onCPU0(func() error { return forceStat(ok) })); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.Conn().Panics.Load(); n != 30 {
			t.Errorf("%d panics were counted, want 30", n)
		}
	})
}

// TestExtents: file data takes every way that the engine has, whole and short, and comes back as it went.
func TestExtents(t *testing.T) {
	pages := func(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n*256) }
	type way struct {
		nowait bool
		pace   *vfs.Pace
	}
	for name, w := range map[string]way{
		"nowait": {true, &vfs.Pace{}}, "memory": {false, &vfs.Pace{Class: vfs.PaceMemory}},
		"ring": {}, "pool": {false, &vfs.Pace{Class: vfs.PaceRemote}},
	} {
		t.Run(name, func(t *testing.T) {
			bothKinds(t, func(t *testing.T, o Options, inline bool) {
				host := open(t, emptyFile(t))
				fs := newBusyFS(inline)
				fs.data = &vfs.File{Nowait: w.nowait, Pace: w.pace, Closer: leaveOpen{}}
				fs.data.Init(host)
				s := mountBusy(t, ownEngine(t), fs, o)
				fd := open(t, filepath.Join(s.Dir(), "data"))
				want := append(pages(300), "and an odd end"...)
				if n, err := unix.Pwrite(fd, want, 0); n != len(want) || err != nil {
					t.Fatalf("write: %d of %d bytes, %v", n, len(want), err)
				}
				unix.Fsync(host)
				unix.Fadvise(host, 0, 0, unix.FADV_DONTNEED)
				got := make([]byte, len(want)+10000)
				n := 0
				for n < len(got) {
					k, err := unix.Pread(fd, got[n:], int64(n))
					if err != nil {
						t.Fatal(err)
					}
					if k == 0 {
						break
					}
					n += k
				}
				if !bytes.Equal(got[:n], want) {
					t.Fatalf("%d bytes came back, not the %d that were written", n, len(want))
				}
			})
		})
	}
}

type leaveOpen struct{}

func (leaveOpen) CloseFile(*vfs.File) {}

func emptyFile(t *testing.T) string {
	t.Helper()
	f, err := os.CreateTemp("", "extent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(f.Name()) })
	return f.Name()
}

// TestStorm: many threads, many small requests, nothing lost.
func TestStorm(t *testing.T) {
	bothKinds(t, func(t *testing.T, o Options, inline bool) {
		s := mountBusy(t, ownEngine(t), newBusyFS(inline), o)
		path := filepath.Join(s.Dir(), "lock")
		var wg sync.WaitGroup
		errs := make([]error, 16)
		for i := range errs {
			wg.Add(1)
			go func() {
				defer wg.Done()
				fd, err := unix.Open(path, unix.O_RDWR, 0)
				for j := 0; j < 300 && err == nil; j++ {
					_, werr := unix.Pwrite(fd, make([]byte, 100*j), 0)
					err = errors.Join(forceStat(fd), werr)
				}
				errs[i] = errors.Join(err, unix.Close(fd))
			}()
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		eventually(t, "nothing in flight", func() bool { return s.Conn().InFlight() == 0 }) // an answer is sent before it ends
	})
}

// TestCollectorWhileIdle: loops that wait for the kernel do not hold up the garbage collector.
func TestCollectorWhileIdle(t *testing.T) {
	every(t, func(t *testing.T, kind Transport) {
		mountBusy(t, ownEngine(t), newBusyFS(true), options(kind))
		time.Sleep(20 * time.Millisecond) // all loops sleep
		done := make(chan error, 1)
		go func() {
			for range 20 {
				runtime.GC()
			}
			done <- nil
		}()
		promptly(t, "20 collections", busyDeadline, done)
	})
}

// TestCyclesLeakNothing counts goroutines and mappings; fds are counted elsewhere.
func TestCyclesLeakNothing(t *testing.T) {
	every(t, func(t *testing.T, kind Transport) {
		e := ownEngine(t)
		cycle := func() {
			fs := newBusyFS(true)
			s, err := Mount(e, fs, mountPoint(t), options(kind))
			if err != nil {
				t.Fatal(err)
			}
			fd, err := unix.Open(filepath.Join(s.Dir(), "lock"), unix.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			unix.Close(fd)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		maps := func() int {
			m, err := os.ReadFile("/proc/self/maps")
			if err != nil {
				t.Fatal(err)
			}
			return strings.Count(string(m), "\n")
		}
		for range 5 {
			cycle()
		}
		goroutines, mappings := runtime.NumGoroutine(), maps()
		for range 50 {
			cycle()
		}
		eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
		if n := maps(); n > mappings+25 { // the Go heap and thread stacks may have grown
			t.Errorf("%d mappings before, %d after 50 mounts", mappings, n)
		}
	})
}
