//go:build linux

package vring

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/vfs"
)

const (
	// patience is how long requests may end by themselves before those that wait are cancelled.
	patience = 100 * time.Millisecond
	// drainLimit is how long they may take then, before the guest's memory is taken out from under them.
	drainLimit = 10 * time.Second
)

// connection is one front-end's device: what the session's messages act on. The session's goroutine calls its methods, one
// at a time.
type connection struct {
	d      *Device
	log    *slog.Logger
	conn   *vfs.Conn
	client *engine.Client
	list   []*queue // hiprio first
	m      *Memory  // nil: none yet
}

// open makes the device for a front-end that has come.
func (d *Device) open(log *slog.Logger) (*connection, error) {
	fs, err := d.fs()
	if err != nil {
		return nil, err
	}
	conn, err := vfs.NewConn(vfs.Resolve(fs), d.opts.VFS)
	if err != nil {
		return nil, err
	}
	c := &connection{d: d, log: log, conn: conn, client: d.eng.Attach(conn)}
	loops := d.eng.Loops()
	for i := range d.queues() {
		c.list = append(c.list, newQueue(c, i, loops[i%len(loops)]))
	}
	return c, nil
}

// close gives back everything that the guest held. The session has ended.
func (c *connection) close() error {
	errs := []error{c.setMemory(nil, true)}
	c.conn.Shutdown()
	select {
	case <-c.conn.Done():
		c.client.Detach()
	case <-time.After(drainLimit):
		errs = append(errs, errors.New("vring: the file system keeps a guest's requests or files"))
	}
	for _, q := range c.list {
		errs = append(errs, q.loop.Call(func(*engine.Loop) error { q.freeRequests(); return nil }))
	}
	return errors.Join(errs...)
}

// features are the virtio features on offer.
func (c *connection) features() uint64 {
	return featureVersion1 | featureIndirect | featureEventIdx | featureRingPacked | featureLogAll | featureProtocol
}

// queues is the number of queues, with hiprio.
func (c *connection) queues() int { return len(c.list) }

// config is struct virtio_fs_config; nil where no tag is known.
func (c *connection) config(off, n uint32) []byte { return c.d.config(off, n) }

// start lets a queue run from now on.
func (c *connection) start(i int, cfg virtqConfig, kick, call, errfd int, _ uint64) error {
	vq, err := c.virtq(cfg, kick)
	if err != nil {
		closeFDs(kick, call, errfd)
		return fmt.Errorf("queue %d: %w", i, err)
	}
	nonblock(kick, call, errfd)
	q := c.list[i]
	return q.loop.Call(func(l *engine.Loop) error {
		q.start(l, vq, int(cfg.size), kick, call, errfd)
		return nil
	})
}

// virtq makes the device's side of a queue, which looks at the guest's memory.
// Preconditions: faults panic on this goroutine.
func (c *connection) virtq(cfg virtqConfig, kick int) (_ *virtq, err error) {
	defer func() { err = faulted(recover(), err) }()
	switch {
	case c.m == nil:
		return nil, errors.New("vring: started before there is guest memory")
	case kick < 0:
		return nil, errors.New("vring: started without an eventfd for kicks: queues are not polled")
	}
	return newVirtq(c.m, cfg)
}

// stop ends a queue when its requests have been answered, and says where it stands.
func (c *connection) stop(i int) (base uint32, err error) {
	q := c.list[i]
	if err := c.drain(q); err != nil {
		return 0, err
	}
	err = q.loop.Call(func(l *engine.Loop) error {
		base = q.end(l)
		return nil
	})
	return base, err
}

// drain waits until nothing of the queues is in flight. Requests that wait for something are cancelled; those that cannot
// be are cut off from the guest's memory.
func (c *connection) drain(qs ...*queue) error {
	for _, q := range qs {
		if err := q.loop.Call(func(l *engine.Loop) error { q.pause(l); return nil }); err != nil {
			return err
		}
	}
	begun, cancelled, revoked := time.Now(), false, false // begun anew when they are cancelled
	for wait := 50 * time.Microsecond; ; wait = min(2*wait, 10*time.Millisecond) {
		var err error
		for _, q := range qs {
			err = errors.Join(err, q.loop.Call(q.drained))
		}
		if err == nil {
			return nil
		}
		switch took := time.Since(begun); {
		case took > patience && !cancelled: // before all else: a server that was stopped itself has been patient with nobody
			cancelled, begun = true, time.Now()
			c.conn.InterruptAll()
		case took > 2*drainLimit:
			return fmt.Errorf("vring: %w for %v", errHeld, took)
		case took > drainLimit && !revoked:
			revoked = true
			c.log.Error("requests of a guest do not end: its memory is cut off")
			if err := c.m.revoke(); err != nil {
				return err
			}
		}
		time.Sleep(wait)
	}
}

// setMemory takes over another version of the guest's memory, or none. Regions that are no longer there are not used any more
// when it returns.
func (c *connection) setMemory(m *Memory, removed bool) error {
	old := c.m
	if removed && old != nil {
		if err := c.drain(c.list...); err != nil {
			if m != nil {
				m.release()
			}
			return err
		}
	}
	c.m = m
	var errs []error
	for _, q := range c.list {
		if m != nil {
			errs = append(errs, q.loop.Call(func(l *engine.Loop) error { return q.resume(l, m) }))
		}
	}
	if old != nil {
		old.release()
	}
	return errors.Join(errs...)
}

// setCall changes the eventfd of interrupts.
func (c *connection) setCall(i, fd int) { c.setFD(i, fd, func(q *queue) *int { return &q.call }) }

// setErr changes the eventfd of errors.
func (c *connection) setErr(i, fd int) { c.setFD(i, fd, func(q *queue) *int { return &q.err }) }

func (c *connection) setFD(i, fd int, which func(*queue) *int) {
	nonblock(fd)
	q := c.list[i]
	_ = q.loop.Call(func(*engine.Loop) error {
		closeFDs(*which(q))
		*which(q) = fd
		return nil
	})
}

// reset is a device reset: all queues stop, and the guest's nodes and handles go.
func (c *connection) reset() error {
	err := c.drain(c.list...)
	for _, q := range c.list {
		err = errors.Join(err, q.loop.Call(func(l *engine.Loop) error {
			if e := q.drained(l); e != nil {
				return e
			}
			q.end(l)
			return nil
		}))
	}
	c.conn.Reset()
	return err
}
