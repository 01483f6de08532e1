package fusedev

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/fusedev/internal/mnt"
	"github.com/fastfsd/fastfsd/vfs"
)

// transport serves the requests of one connection. Constructors: newUring, newClassic, newBlocking (s *Server).
type transport interface {
	// start is called after INIT was answered. When it returns nil, requests are served. It may change O_NONBLOCK of s.fd.
	start() error
	// stop is called once, after start returned nil, when the device is dead or has been aborted and Conn.Shutdown was
	// called. It returns when no thread uses s.fd, its clones (which it closes) or s.conn any more. s.fd is closed by Server.
	stop()
}

// Server is one mount.
type Server struct {
	fd   int // the mount's /dev/fuse; immutable until teardown closes it
	conn *vfs.Conn
	eng  *engine.Engine
	opt  Options
	log  *slog.Logger
	kind Transport // what was chosen; never Auto once start is called
	tr   transport

	end     chan error // first reason why the connection ended; capacity 1
	ending  atomic.Bool
	done    chan struct{} // closed after teardown; err is immutable then
	err     error
	tallies tallies

	mu sync.Mutex // guards the mount against concurrent Unmount and Abort
	m  *mnt.Mount
}

// ended tells the server that the device gives no more requests; errno is what read(2) or the ring said: ENODEV after an
// unmount, ECONNABORTED after an abort. Any thread, any number of times: the first one counts. It never waits.
func (s *Server) ended(err error) {
	if s.ending.CompareAndSwap(false, true) {
		s.end <- err
	}
}
