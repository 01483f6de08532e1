//go:build linux

package fusedev

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/fusedev/internal/mnt"
	"github.com/fastfsd/fastfsd/vfs"
)

// transport serves the requests of one connection. Constructors: newUring, newClassic, newBlocking (s *Server).
type transport interface {
	// start is called after INIT was answered. When it returns nil, requests are served; after an error nothing of it is left. It may
	// change O_NONBLOCK of s.fd.
	start() error
	// stop is called once, after start returned nil, when the device is dead or has been aborted and Conn.Shutdown was
	// called. It returns when no thread uses s.fd, its clones (which it closes) or s.conn any more. s.fd is closed by Server.
	stop()
}

// Server is one mount.
type Server struct {
	fd       int // the mount's /dev/fuse; immutable until teardown closes it
	conn     *vfs.Conn
	eng      *engine.Engine
	opt      Options
	log      *slog.Logger
	kind     Transport // what was chosen; never Auto once start is called
	tr       transport
	tether   *tether // nil: no fusermount3 waits
	notifier notifier

	end     chan error // first reason why the connection ended; capacity 1
	ending  atomic.Bool
	done    chan struct{} // closed after teardown; err is immutable then
	err     error
	tallies tallies

	replyFailed atomic.Bool // a reply was refused, and that was logged

	mu      sync.Mutex // guards the mount against concurrent Unmount, Abort and teardown
	m       *mnt.Mount
	aborted bool // by Abort; guarded by mu
}

// ended tells the server that the device gives no more requests; err is what read(2) or the ring said: ENODEV or
// ECONNABORTED after an unmount or an abort. Any thread, any number of times: the first one counts. It never waits.
func (s *Server) ended(err error) {
	if s.ending.CompareAndSwap(false, true) {
		s.end <- err
	}
}

// Wait returns when the mount has gone and everything is torn down: nil after an unmount, [ErrAborted], [ErrStuck] or
// what else ended the connection.
func (s *Server) Wait() error {
	<-s.done
	return s.err
}

// Unmount unmounts. While files are in use it fails with [ErrBusy] and changes nothing. Wait says when it is over.
func (s *Server) Unmount() error { return s.unmount(0) }

// Detach takes the mount out of the tree (umount -l) and lets those who use it go on; Wait returns when the last has gone.
func (s *Server) Detach() error { return s.unmount(unix.MNT_DETACH) }

func (s *Server) unmount(flags int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isDone() {
		return nil
	}
	return s.m.Unmount(flags)
}

// Abort cuts the connection: all requests fail with ECONNABORTED or ENOTCONN. Wait returns [ErrAborted].
func (s *Server) Abort() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isDone() {
		return nil
	}
	s.aborted = true
	err := s.m.Abort()
	if err != nil {
		s.aborted = false
	}
	return err
}

// Close unmounts at any price and waits: in use, it is detached and aborted. An abort of its own is no error.
func (s *Server) Close() error {
	if err := s.Unmount(); err != nil && !s.isDone() {
		s.log.Debug("unmount", "err", err)
		detach, abort := s.Detach(), s.Abort()
		if abort != nil && !s.isDone() {
			if detach != nil {
				return detach
			}
			return abort
		}
		<-s.done
		return nil
	}
	return s.Wait()
}

func (s *Server) isDone() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Dir is the mount point, absolute; /dev/fd/N if it is not known.
func (s *Server) Dir() string {
	if s.m.Dir == "" {
		return fdName(s.fd)
	}
	return s.m.Dir
}

// Transport is the one that was chosen.
func (s *Server) Transport() Transport { return s.kind }

// Conn is the connection, for its notifier and numbers.
func (s *Server) Conn() *vfs.Conn { return s.conn }

// Device is the minor number of the mount's st_dev (its major is 0), and the connection's number in fusectl.
func (s *Server) Device() uint32 { return s.m.Dev }

// Notifier sends notifications to this mount's kernel.
func (s *Server) Notifier() vfs.Notifier { return &s.notifier }
