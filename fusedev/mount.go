//go:build linux

package fusedev

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/fusedev/internal/mnt"
	"github.com/fastfsd/fastfsd/vfs"
)

// Mount mounts fs (a file system's interfaces, or a *vfs.Ops) on dir and has e serve it. The mount is ready when it returns. A
// dir of the form /dev/fd/N is an inherited /dev/fuse, as libfuse has it. Options that exclude each other are refused
// before anything is mounted.
func Mount(e *engine.Engine, fs any, dir string, o Options) (*Server, error) {
	if n, ok := strings.CutPrefix(dir, "/dev/fd/"); ok && o.FD == NoFD {
		fd, err := strconv.Atoi(n)
		if err != nil {
			return nil, fmt.Errorf("fusedev: mount point %s: not a number", dir)
		}
		o.FD = fd
	}
	ops, ok := fs.(*vfs.Ops)
	if !ok {
		ops = vfs.Resolve(fs)
	}
	o.VFS.Uring = o.Transport == Uring || o.Transport == Auto && uringEnabled() == nil
	s, err := mountOnce(e, ops, dir, o)
	if err != nil && errors.Is(err, errStart) && o.Transport == Auto && o.VFS.Uring && o.FD == NoFD {
		// a kernel that was told of rings waits for them: only a new mount can do without
		o.log().Warn("FUSE over io_uring does not start, blocking readers take over", "err", err)
		o.VFS.Uring = false
		s, err = mountOnce(e, ops, dir, o)
	}
	if err != nil {
		return nil, fmt.Errorf("fusedev: %w", err)
	}
	return s, nil
}

// errStart is wrapped by the error of a transport that does not start.
var errStart = errors.New("the transport does not start")

func mountOnce(e *engine.Engine, ops *vfs.Ops, dir string, o Options) (*Server, error) {
	p := newPrime(ops, &o.VFS)
	if p != nil {
		ops = p.wrap(ops)
	}
	conn, err := vfs.NewConn(ops, o.VFS)
	if err != nil {
		return nil, err
	}
	m, err := o.mount(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{
		fd: m.FD, conn: conn, eng: e, opt: o, m: m,
		end: make(chan error, 1), done: make(chan struct{}),
	}
	s.log = o.log().With("mount", s.Dir())
	s.notifier.fd = m.FD
	conn.SetNotifier(&s.notifier)
	if err := s.open(); err != nil {
		s.abandon()
		return nil, fmt.Errorf("mount on %s: %w", dir, err)
	}
	if sock, ok := m.Lifeline(); ok && s.kind != Blocking {
		s.tether = newTether(e, sock)
	}
	go s.watch()
	s.prime(p)
	s.readAhead()
	return s, nil
}

// mount gets the device.
func (o *Options) mount(dir string) (*mnt.Mount, error) {
	if o.FD != NoFD {
		return mnt.Inherit(o.FD)
	}
	p := mnt.Params{
		Dir: dir, FSName: o.FSName, Subtype: o.Subtype, AllowOther: o.AllowOther, DefaultPermissions: o.DefaultPermissions,
		MaxRead: o.MaxRead, AutoUnmount: o.AutoUnmount, Fusermount: o.Fusermount, NS: o.MountNS,
	}
	for _, f := range []struct {
		on   bool
		flag uintptr
	}{
		{o.ReadOnly, unix.MS_RDONLY},
		{o.NoAtime, unix.MS_NOATIME},
		{o.NoDev, unix.MS_NODEV},
		{o.NoSuid, unix.MS_NOSUID},
		{o.NoExec, unix.MS_NOEXEC},
		{o.DirSync, unix.MS_DIRSYNC},
		{o.Sync, unix.MS_SYNCHRONOUS},
	} {
		if f.on {
			p.Flags |= f.flag
		}
	}
	return mnt.New(p)
}

// open brings the connection to life: INIT and transport.
func (s *Server) open() error {
	if err := s.boot(); err != nil {
		return err
	}
	return s.choose()
}

// abandon takes back a mount that did not come to life.
func (s *Server) abandon() {
	s.conn.Shutdown()
	if s.opt.FD == NoFD {
		s.m.Unmount(unix.MNT_DETACH)
	}
	s.notifier.close()
	s.m.Close()
	unix.Close(s.fd)
}

// watch waits for the end of the connection and tears it down.
func (s *Server) watch() {
	why := <-s.end
	s.conn.Shutdown()
	gone := make(chan struct{})
	go func() {
		s.tr.stop()
		<-s.conn.Done() // the file system has got everything back
		close(gone)
	}()
	wait := s.opt.DrainTimeout
	if wait == 0 {
		wait = 10 * time.Second
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-gone:
		s.err = s.reason(why)
		s.release()
	case <-t.C:
		s.err = fmt.Errorf("fusedev: %s: %d calls in the back-end have not returned after %v: %w", s.Dir(), s.conn.InFlight(), wait, ErrStuck)
		go func() { // fds and buffers stay theirs as long as they need them
			<-gone
			s.release()
		}()
	}
	close(s.done)
}

// release closes what belongs to the mount. Precondition: the transport has stopped.
func (s *Server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notifier.close()
	if s.tether != nil {
		s.tether.cut()
	}
	s.m.Close()
	unix.Close(s.fd)
}

// reason is what Wait returns. A mount whose connection was cut is dead for everybody: it goes.
func (s *Server) reason(why error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if why == nil || errors.Is(why, unix.ENODEV) || errors.Is(why, unix.ECONNABORTED) {
		if !s.aborted && !s.m.Mounted() && !s.cut() {
			return nil
		}
		why = ErrAborted
	}
	if s.opt.FD == NoFD && s.m.Mounted() {
		if err := s.m.Unmount(unix.MNT_DETACH); err != nil {
			why = fmt.Errorf("%w; %w", why, err)
		}
	}
	return fmt.Errorf("fusedev: %s: %w", s.Dir(), why)
}

// cut asks the dead device once more: a read that loses against an unmount says ECONNABORTED too, but only the first one.
func (s *Server) cut() bool {
	if err := unix.SetNonblock(s.fd, true); err != nil {
		return false
	}
	_, err := unix.Read(s.fd, make([]byte, s.messageSize()))
	return errors.Is(err, unix.ECONNABORTED)
}
