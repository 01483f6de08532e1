//go:build linux

package bench

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The loops below make raw system calls: what they measure must not pass through a scheduler. Each pointer is converted in the call's
// own expression, and the memory belongs to the thread.

func errnoOf(e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

// storm asks for the attributes of an open file, past every cache of the kernel.
func (t *thread) storm() error {
	var st unix.Statx_t
	empty := [1]byte{}
	for !t.stop.Load() {
		_, _, e := unix.RawSyscall6(unix.SYS_STATX, uintptr(t.fd), uintptr(unsafe.Pointer(&empty[0])),
			unix.AT_EMPTY_PATH|unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(&st)), 0)
		if e != 0 {
			return e
		}
		t.ops++
	}
	return nil
}

// tree does one thing to each file of the tree, in order; Open goes around, all others end with the last file.
func (t *thread) tree() error {
	for i := 0; !t.stop.Load(); i++ {
		if i == len(t.names) {
			if t.job.Kind != Open {
				break
			}
			i = 0
		}
		if e := t.one(&t.names[i][0]); e != 0 {
			return e
		}
		t.ops++
	}
	return nil
}

func (t *thread) one(name *byte) unix.Errno {
	switch t.job.Kind {
	case Stat:
		return t.lstat(t.fd, name)
	case Unlink:
		_, _, e := unix.RawSyscall(unix.SYS_UNLINKAT, uintptr(t.fd), uintptr(unsafe.Pointer(name)), 0)
		return e
	}
	flags := unix.O_RDONLY
	if t.job.Kind == Create {
		flags = unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY
	}
	fd, e := openat(t.fd, name, flags)
	if e == 0 {
		_, _, e = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	}
	return e
}

func openat(dir int, name *byte, flags int) (int, unix.Errno) {
	fd, _, e := unix.RawSyscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(name)), uintptr(flags|unix.O_CLOEXEC), 0o644, 0, 0)
	return int(fd), e
}

func (t *thread) lstat(dir int, name *byte) unix.Errno {
	var st unix.Statx_t
	_, _, e := unix.RawSyscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(name)), unix.AT_SYMLINK_NOFOLLOW,
		unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(&st)), 0)
	return e
}

// walk lists the tree's folders and looks at each entry, as ls -l does.
func (t *thread) walk() error {
	for i := 0; i < len(t.names) && !t.stop.Load(); i += filesPerDir {
		dir := []byte(treeName(i))
		for k, c := range dir {
			if c == '/' {
				dir[k] = 0
				break
			}
		}
		fd, e := openat(t.fd, &dir[0], unix.O_RDONLY|unix.O_DIRECTORY)
		if e != 0 {
			return e
		}
		e = t.list(fd)
		unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
		if e != 0 {
			return e
		}
	}
	return nil
}

// Offsets in struct linux_dirent64.
const (
	direntReclen = 16
	direntName   = 19
)

func (t *thread) list(fd int) unix.Errno {
	for {
		n, _, e := unix.RawSyscall(unix.SYS_GETDENTS64, uintptr(fd), uintptr(unsafe.Pointer(&t.buf[0])), uintptr(len(t.buf)))
		if e != 0 || n == 0 {
			return e
		}
		for b := t.buf[:n]; len(b) > direntName; {
			name := b[direntName:]
			if name[0] != '.' {
				if e := t.lstat(fd, &name[0]); e != 0 {
					return e
				}
				t.ops++
			}
			b = b[int(b[direntReclen])|int(b[direntReclen+1])<<8:]
		}
	}
}

// transfer reads or writes the file. Between the passes of buffered reads the pages are dropped, which is not measured.
func (t *thread) transfer() error {
	j := t.job
	call := uintptr(unix.SYS_PREAD64)
	if j.Kind == Write {
		call = unix.SYS_PWRITE64
	}
	steps := uint64(j.Size / j.Request)
	rng := uint64(t.index)*0x9e3779b97f4a7c15 + 88172645463325252
	for i := uint64(0); !t.stop.Load(); i++ {
		at := i % steps
		if j.Random {
			rng ^= rng << 13
			rng ^= rng >> 7
			rng ^= rng << 17
			at = rng % steps
		} else if at == 0 && i > 0 && j.Kind == Read && !j.Direct {
			began := time.Now()
			if err := unix.Fadvise(t.fd, 0, 0, unix.FADV_DONTNEED); err != nil {
				return err
			}
			t.pause += time.Since(began)
		}
		off := uintptr(at) * uintptr(j.Request)
		n, e := t.pio(call, off)
		if e != 0 {
			return e
		}
		if n != j.Request {
			return unix.EIO // a short transfer inside the file
		}
		t.ops++
	}
	return nil
}

func (t *thread) pio(call, off uintptr) (int, unix.Errno) {
	var n uintptr
	var e unix.Errno
	if t.job.Waits {
		n, _, e = unix.Syscall6(call, uintptr(t.fd), uintptr(unsafe.Pointer(&t.buf[0])), uintptr(len(t.buf)), off, 0, 0)
	} else {
		n, _, e = unix.RawSyscall6(call, uintptr(t.fd), uintptr(unsafe.Pointer(&t.buf[0])), uintptr(len(t.buf)), off, 0, 0)
	}
	return int(n), e
}

// pass moves one byte through a pipe.
func pass(call uintptr, fd int, b *[1]byte) error {
	_, _, e := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), 1)
	return errnoOf(e)
}
