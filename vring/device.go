//go:build linux

package vring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"

	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/vfs"
)

const (
	// MaxQueues is the most request queues of a device.
	MaxQueues = 64
	// MaxTag is the longest tag, in bytes (virtio 1.3, 5.11.4).
	MaxTag = 36
)

// Options of a device. The zero value is a good one.
type Options struct {
	Queues int    // request queues that a VMM may use; 0: MaxQueues
	Tag    string // for VMMs that ask the device for its configuration; most, QEMU among them, have it from elsewhere
	VFS    vfs.Options
	Logger *slog.Logger // nil: slog.Default()
}

// Device is a vhost-user-fs device: one share for the front-ends that connect, each with nodes, handles and locks of its
// own.
type Device struct {
	eng  *engine.Engine
	fs   func() (any, error)
	opts Options
	log  *slog.Logger

	mu       sync.Mutex
	sessions map[*session]struct{} // guarded by mu
	closed   bool                  // guarded by mu
	wg       sync.WaitGroup        // sessions
}

// New makes a device. fs gives the file system of one front-end; its Destroy ends it.
func New(e *engine.Engine, fs func() (any, error), o Options) (*Device, error) {
	if o.Queues == 0 {
		o.Queues = MaxQueues
	}
	if o.Queues < 1 || o.Queues > MaxQueues {
		return nil, fmt.Errorf("vring: %d request queues: 1 to %d are possible", o.Queues, MaxQueues)
	}
	if len(o.Tag) > MaxTag {
		return nil, fmt.Errorf("vring: tag %q: %d bytes are the most", o.Tag, MaxTag)
	}
	d := &Device{eng: e, fs: fs, opts: o, log: o.Logger, sessions: map[*session]struct{}{}}
	if d.log == nil {
		d.log = slog.Default()
	}
	return d, nil
}

// queues is the number of queues with hiprio.
func (d *Device) queues() int { return d.opts.Queues + 1 }

// config is n bytes of struct virtio_fs_config from off on; nil: there is none, or not so much.
func (d *Device) config(off, n uint32) []byte {
	if d.opts.Tag == "" {
		return nil
	}
	b := make([]byte, MaxTag, MaxTag+4)
	copy(b, d.opts.Tag)
	b = binary.LittleEndian.AppendUint32(b, uint32(d.opts.Queues))
	if uint64(off)+uint64(n) > uint64(len(b)) {
		return nil
	}
	return b[off : off+n]
}

// ErrClosed is what Serve returns after Close.
var ErrClosed = errors.New("vring: the device is closed")

// Serve serves one front-end until that disconnects, and closes its socket.
func (d *Device) Serve(conn *net.UnixConn) error {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // rings are looked at when they start
	c, err := d.open(d.log)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	s := newSession(conn, c, d.log)
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		s.close()
		return errors.Join(ErrClosed, c.close())
	}
	d.sessions[s] = struct{}{}
	d.wg.Add(1)
	d.mu.Unlock()
	defer d.wg.Done()
	err = s.run()
	d.mu.Lock()
	delete(d.sessions, s)
	d.mu.Unlock()
	return errors.Join(err, c.close())
}

// Close ends all sessions and waits for them.
func (d *Device) Close() {
	d.mu.Lock()
	d.closed = true
	for s := range d.sessions {
		s.close()
	}
	d.mu.Unlock()
	d.wg.Wait()
}
