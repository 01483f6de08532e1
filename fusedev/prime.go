//go:build linux

package fusedev

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// A Go program adds each file that it opens to an epoll set, for which the kernel sends POLL to a file's server (for
// directories it does not). The runtime makes that call without giving its processor away: where the same process serves
// the mount, nobody may be left to answer. One ENOSYS ends POLL for the life of a connection, so it is provoked at mount: a raw
// open of a name that exists only meanwhile, and one poll(2), both from a thread that gives its processor away.

// primeName exists in the root until the mount is ready, unless the file system has such a name itself.
const primeName = ".fastfsd-poll-prime"

// primeTimeout bounds the wait for a back-end whose root answers slowly.
const primeTimeout = 5 * time.Second

// prime shows primeName in the root of a file system.
type prime struct {
	over   atomic.Bool
	lookup func(*vfs.Op, vfs.Key, vfs.Name, *vfs.Entry) vfs.Errno
	root   vfs.Key
	file   *vfs.Ops
}

// newPrime is nil for a file system that answers POLL, or whose missing operations may still come: the kernel must go on
// asking those.
func newPrime(fs *vfs.Ops, o *vfs.Options) *prime {
	if fs.Poll != nil || o.Composite || fs.Lookup == nil {
		return nil
	}
	return &prime{lookup: fs.Lookup, root: fs.Root, file: vfs.Resolve(primeFile{})}
}

// wrap is fs with the name in its root.
func (p *prime) wrap(fs *vfs.Ops) *vfs.Ops {
	c := fs.Clone()
	c.Lookup = p.find
	return c
}

// find is the file system's Lookup; only where that finds nothing does it look for the name.
func (p *prime) find(op *vfs.Op, dir vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	e := p.lookup(op, dir, name, out)
	if e == vfs.OK && !out.Negative || e != vfs.OK && e != vfs.ENOENT {
		return e
	}
	if p.over.Load() || dir != p.root || string(name) != primeName {
		return e
	}
	*out = vfs.Entry{FS: p.file}
	primeStat(&out.Stat)
	return vfs.OK
}

// primeFile is the file system of the one file.
type primeFile struct{}

func (primeFile) Inline() bool { return true }

func (primeFile) Getattr(_ *vfs.Op, _ vfs.Key, _ *vfs.Open, out *vfs.Stat) vfs.Errno {
	primeStat(out)
	return vfs.OK
}

// Flush: an ENOSYS would end FLUSH for the life of the connection, and with it the release of POSIX locks by close(2).
func (primeFile) Flush(*vfs.Op, vfs.Open, *abi.FlushIn) vfs.Errno { return vfs.OK }

func primeStat(out *vfs.Stat) {
	out.TTL = time.Minute
	out.Attr = abi.Attr{
		Ino: 1<<63 | 0x706f6c6c, Mode: unix.S_IFREG | 0o444, Nlink: 1, Blksize: 4096, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
	}
}

// prime provokes the POLL. The mount is served by then.
func (s *Server) prime(p *prime) {
	if p == nil || s.m.Dir == "" {
		return
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- s.pollOnce()
	}()
	var err error
	t := time.NewTimer(primeTimeout)
	defer t.Stop()
	select {
	case err = <-done:
	case <-t.C:
		err = unix.ETIMEDOUT
	}
	p.over.Store(true)
	if err != nil {
		s.log.Warn("the mount could not be primed with a POLL: a Go program that serves and uses it may hang in epoll_ctl", "err", err)
	}
}

func (s *Server) pollOnce() error {
	root, err := s.m.Root()
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	defer unix.Close(root)
	var fd int
	if s.m.Regular { // a mount of one file: it is the only one there is
		fd, err = unix.Open(fmt.Sprintf("/proc/self/fd/%d", root), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	} else {
		fd, err = unix.Openat(root, primeName, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	}
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer unix.Close(fd)
	if _, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0); err != nil {
		return fmt.Errorf("poll: %w", err)
	}
	return nil
}
