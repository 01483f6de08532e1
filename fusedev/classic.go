//go:build linux

package fusedev

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/ring"
	"github.com/fastfsd/fastfsd/vfs"
)

// classic reads /dev/fuse through the rings of the loops, each on a clone of the fd.
type classic struct {
	s      *Server
	client *engine.Client
	desks  []*classicDesk
}

func newClassic(s *Server) transport { return &classic{s: s} }

func (t *classic) start() error {
	t.client = t.s.eng.Attach(t.s.conn)
	off := t.s.newTally()
	for _, l := range t.s.eng.Loops() {
		d, err := openClassicDesk(t.s, t.client, l, off, true)
		if err != nil {
			t.stop()
			return err
		}
		t.desks = append(t.desks, d)
	}
	return nil
}

func (t *classic) stop() {
	for _, d := range t.desks {
		d.stop()
	}
	t.client.Detach()
}

// classicDesk is one loop's reader of /dev/fuse. One READ is armed at a time: the kernel wakes all that wait.
type classicDesk struct {
	desk
	client *engine.Client
	loop   *engine.Loop
	clone  bool // fd is ours
	source uint32
	armed  *message
	over   bool // the device gives no more requests
	quit   bool // stop was called
}

// openClassicDesk lets l read the mount's device, or a clone of it.
func openClassicDesk(s *Server, c *engine.Client, l *engine.Loop, off *tally, clone bool) (*classicDesk, error) {
	d := &classicDesk{client: c, loop: l, clone: clone}
	d.s, d.fd, d.tally, d.off, d.queue = s, s.fd, s.newTally(), off, d
	d.tell = func() { l.Do(func(*engine.Loop) { d.arm() }) }
	if clone {
		fd, err := cloneDevice(s.fd)
		if err != nil {
			return nil, err
		}
		d.fd = fd
	}
	err := unix.SetNonblock(d.fd, true) // the ring must wait by polling, not in a worker thread
	if err == nil {
		err = l.Call(func(l *engine.Loop) error {
			d.source = l.Attach(d)
			if d.arm(); d.armed == nil {
				l.Detach(d.source)
				return unix.ENOMEM
			}
			return nil
		})
	}
	if err != nil {
		d.closeFD()
		return nil, fmt.Errorf("/dev/fuse on CPU %d: %w", l.CPU(), err)
	}
	return d, nil
}

// cloneDevice opens another /dev/fuse of the same connection. Requests are answered on the fd that they were read from.
func cloneDevice(fd int) (int, error) {
	clone, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("/dev/fuse: %w", err)
	}
	if err := unix.IoctlSetPointerInt(clone, abi.DevIocClone, fd); err != nil {
		return -1, errors.Join(fmt.Errorf("clone /dev/fuse: %w", err), unix.Close(clone))
	}
	return clone, nil
}

// arm has the next request read. Preconditions: on the loop.
func (d *classicDesk) arm() {
	if d.armed != nil || d.over || d.quit {
		return
	}
	m := d.take(d.client, d.loop)
	if m == nil {
		return
	}
	d.armed = m
	d.loop.SQE().Read(int32(d.fd), ring.Addr(m.in), uint32(len(m.in)), 0).SetUserData(engine.Data(d.source, 0))
}

// cancelTag is the tag of the READ's cancellation.
const cancelTag = 1

// Complete takes a request that was read; it implements engine.Source.
func (d *classicDesk) Complete(l *engine.Loop, tag uint32, res int32, _ uint32) {
	if tag == cancelTag {
		return
	}
	m := d.armed
	d.armed = nil
	if res > 0 {
		d.load(m, int(res))
		if m.slot.Op.Opcode() == abi.OpSetlkw && d.crowded() {
			l.Refuse(m.slot, vfs.ENOLCK)
		} else {
			l.Serve(m.slot)
		}
		d.arm()
		return
	}
	m.next, d.free = d.free, m
	switch e := unix.Errno(-res); e {
	case 0, unix.EINTR, unix.EAGAIN, unix.ENOENT: // ENOENT: the request was taken back
		d.arm()
	default:
		d.over = true
		if !d.quit {
			d.s.ended(e)
		}
	}
}

// Hold implements engine.Queue: the READ that follows takes another message.
func (d *classicDesk) Hold(*engine.Loop, *engine.Slot) {}

// Reply implements engine.Queue.
func (d *classicDesk) Reply(l *engine.Loop, s *engine.Slot) { d.reply(l, s) }

// Silent implements engine.Queue.
func (d *classicDesk) Silent(l *engine.Loop, s *engine.Slot) { d.silent(l, s) }

// AnyThread implements engine.Queue.
func (d *classicDesk) AnyThread() bool { return true }

// stop waits until nothing uses the fd any more. Requests that are held must be on their way back.
func (d *classicDesk) stop() {
	d.loop.Do(func(l *engine.Loop) {
		d.quit = true
		if d.armed != nil {
			l.SQE().Cancel(engine.Data(d.source, 0), 0).SetUserData(engine.Data(d.source, cancelTag))
		}
	})
	await(func() bool {
		return d.loop.Call(func(l *engine.Loop) error {
			if d.armed != nil || d.out.Load() > 0 {
				return unix.EAGAIN
			}
			l.Detach(d.source)
			return nil
		}) == nil
	})
	d.close()
	d.closeFD()
}

func (d *classicDesk) closeFD() {
	if d.clone {
		unix.Close(d.fd)
	}
}

// await asks until it is so, at growing intervals.
func await(so func() bool) {
	for wait := 50 * time.Microsecond; !so(); wait = min(2*wait, 20*time.Millisecond) {
		time.Sleep(wait)
	}
}
