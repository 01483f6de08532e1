//go:build linux

package engine

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/ring"
	"github.com/fastfsd/fastfsd/vfs"
)

const rwfNowait = unix.RWF_NOWAIT

// Of include/uapi/linux/futex.h, for words that only this process sees.
const (
	futexPrivate = 128
	futexWait    = 0 | futexPrivate
	futexWake    = 1 | futexPrivate
)

// preadRaw is preadv2(2) for what cannot wait: the Go scheduler is not told.
func preadRaw(fd int32, iov []ring.Iovec, off int64, rwf uint32) (int32, vfs.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_PREADV2, uintptr(fd), iovAddr(iov), uintptr(len(iov)), uintptr(off), 0, uintptr(rwf))
	return int32(n), vfs.Errno(e)
}

// pread is preadv2(2).
func pread(fd int32, iov []ring.Iovec, off int64, rwf uint32) (int32, vfs.Errno) {
	n, _, e := unix.Syscall6(unix.SYS_PREADV2, uintptr(fd), iovAddr(iov), uintptr(len(iov)), uintptr(off), 0, uintptr(rwf))
	return int32(n), vfs.Errno(e)
}

// pwrite is pwritev2(2).
func pwrite(fd int32, iov []ring.Iovec, off int64, rwf uint32) (int32, vfs.Errno) {
	n, _, e := unix.Syscall6(unix.SYS_PWRITEV2, uintptr(fd), iovAddr(iov), uintptr(len(iov)), uintptr(off), 0, uintptr(rwf))
	return int32(n), vfs.Errno(e)
}

// iovAddr is the address of pieces, which a slot or a queue keeps alive.
func iovAddr(iov []ring.Iovec) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(iov))) }

// futex is a flag that one thread waits for. The thread waits in a system call and not in a channel: waking a
// goroutine that is locked to its thread takes two wake-ups.
type futex struct{ word atomic.Uint32 }

func (f *futex) reset() { f.word.Store(0) }

func (f *futex) wake() {
	f.word.Store(1)
	unix.RawSyscall(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&f.word)), futexWake, 1)
}

// wait waits for wake; false: it took longer, or a signal came.
func (f *futex) wait(d time.Duration) bool {
	if f.word.Load() == 0 {
		ts := unix.NsecToTimespec(max(0, int64(d)))
		unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&f.word)), futexWait, 0, uintptr(unsafe.Pointer(&ts)), 0, 0)
	}
	return f.word.Load() == 1
}

// event wakes a loop whose kernel cannot send messages to a ring.
type event struct {
	fd  int
	buf []byte // 8 bytes outside the Go heap

	mu     sync.Mutex
	closed bool // guarded by mu
}
