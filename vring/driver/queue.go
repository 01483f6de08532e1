//go:build linux

package driver

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrFull says that the queue has no descriptors left until the device gives some back.
	ErrFull = errors.New("driver: the queue is full")
	// ErrDevice is wrapped by the error of a device that broke a rule of the virtqueue.
	ErrDevice = errors.New("driver: the device broke the queue")
	// ErrGone says that the device closed its socket.
	ErrGone = errors.New("driver: the device is gone")
)

const (
	usedNoNotify     = 1 // VRING_USED_F_NO_NOTIFY
	availNoInterrupt = 1 // VRING_AVAIL_F_NO_INTERRUPT

	// tableMax is the longest indirect table: a request of 1 MiB in pages, and its headers.
	tableMax = 272
)

// layout is how descriptors travel: split or packed.
type layout interface {
	add(in, out []Segment) (id uint16, err error)
	needKick() bool
	poll() (id uint16, n uint32, ok bool, err error)
	arm() (ready bool)
	disarm()
	free() int
	maxChain() int
	areas() *[3][]byte
	layout() layout
}

// geometry is what the layouts share.
type geometry struct {
	size                       int
	packed, eventIdx, indirect bool

	area     [3][]byte // descriptors; driver's (avail); device's (used)
	tables   []byte    // an indirect table for each id
	tableGPA uint64
	tableLen int
}

func newGeometry(m *Memory, size int, features uint64) (geometry, error) {
	g := geometry{size: size, eventIdx: features&FeatureEventIdx != 0, indirect: features&FeatureIndirect != 0}
	g.packed = features&FeatureRingPacked != 0
	sizes := [3]int{descSize * size, 4 + 2*size + 4, 4 + 8*size + 4} // avail and used end with a 16-bit event, padded to a word
	if g.packed {
		sizes = [3]int{descSize * size, 4, 4}
	}
	var err error
	for i, n := range sizes {
		if g.area[i], err = m.Alloc(n, descSize); err != nil {
			return g, err
		}
	}
	if g.indirect {
		g.tableLen = min(size, tableMax)
		if g.tables, err = m.Alloc(size*g.tableLen*descSize, descSize); err != nil {
			return g, err
		}
		g.tableGPA = m.Segment(g.tables).Addr
	}
	return g, nil
}

// layout makes a ring that nobody has used.
func (g geometry) layout() layout {
	for _, b := range g.area {
		clear(b)
	}
	if g.packed {
		return newPacked(g)
	}
	return newSplit(g)
}

func (g *geometry) areas() *[3][]byte { return &g.area }

func (g *geometry) maxChain() int {
	if g.indirect {
		return g.tableLen
	}
	return g.size
}

func (g *geometry) table(id uint16) []byte {
	n := g.tableLen * descSize
	return g.tables[int(id)*n:][:n]
}

func (g *geometry) tableAddr(id uint16) uint64 {
	return g.tableGPA + uint64(id)*uint64(g.tableLen)*descSize
}

// chainDesc is descriptor i of the chain, as the split layout has it.
func chainDesc(in, out []Segment, i int) desc {
	var d desc
	if i < len(in) {
		d = desc{addr: in[i].Addr, len: in[i].Len}
	} else {
		d = desc{addr: out[i-len(in)].Addr, len: out[i-len(in)].Len, flags: descWrite}
	}
	if i < len(in)+len(out)-1 {
		d.flags |= descNext
	}
	return d
}

// needEvent is vring_need_event: did the index pass event on its way from before to now?
func needEvent(event, now, before uint16) bool { return now-event-1 < now-before }

// Queue is the driver's side of a virtqueue.
type Queue struct {
	index  int
	ring   layout
	kick   int
	call   int
	broken int // the error eventfd
	sock   int
	kicks  uint64
	sleeps uint64
}

// Submit makes a chain of buffers available: those that the device reads, then those that it writes. The id comes back from Poll,
// and is another chain's after that.
func (q *Queue) Submit(in, out []Segment) (id uint16, err error) { return q.ring.add(in, out) }

// Kick tells the device of what was submitted, if it wants to know.
func (q *Queue) Kick() error {
	if !q.ring.needKick() {
		return nil
	}
	q.kicks++
	return notify(q.kick)
}

// Kicks is how often the device was told.
func (q *Queue) Kicks() uint64 { return q.kicks }

// Sleeps is how often Sleep had to wait.
func (q *Queue) Sleeps() uint64 { return q.sleeps }

// Poll takes the next chain that the device is done with, and how many bytes it wrote. After an error the queue is of no more use.
func (q *Queue) Poll() (id uint16, n uint32, ok bool, err error) {
	id, n, ok, err = q.ring.poll()
	if err != nil {
		err = fmt.Errorf("queue %d: %w", q.index, err)
	}
	return id, n, ok, err
}

// Free is how many descriptors are left.
func (q *Queue) Free() int { return q.ring.free() }

// Arm asks for an interrupt when the device is done with the next chain. True: there is one already.
func (q *Queue) Arm() bool { return q.ring.arm() }

// Disarm asks for none.
func (q *Queue) Disarm() { q.ring.disarm() }

// Sleep waits for an interrupt, the end of the device, or the time limit (0: none). It may run beside all else but itself.
func (q *Queue) Sleep(limit time.Duration) error {
	ms := -1
	if limit > 0 {
		ms = int((limit + time.Millisecond - 1) / time.Millisecond)
	}
	fds := [3]unix.PollFd{{Fd: int32(q.call), Events: unix.POLLIN}, {Fd: int32(q.broken), Events: unix.POLLIN}, {Fd: int32(q.sock)}}
	q.sleeps++
	for {
		n, err := unix.Poll(fds[:], ms)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("driver: queue %d: poll: %w", q.index, err)
		case n == 0:
			return fmt.Errorf("driver: queue %d: no interrupt within %v: %w", q.index, limit, unix.ETIMEDOUT)
		case fds[0].Revents != 0:
			drain(q.call)
			return nil
		case fds[1].Revents != 0:
			return fmt.Errorf("queue %d: %w: it says so itself (SET_VRING_ERR)", q.index, ErrDevice)
		default:
			return fmt.Errorf("queue %d: %w", q.index, ErrGone)
		}
	}
}

// Wait returns when the device is done with a chain.
func (q *Queue) Wait(limit time.Duration) error {
	for !q.Arm() {
		if err := q.Sleep(limit); err != nil {
			return err
		}
	}
	q.Disarm()
	return nil
}

// Areas are the ring's memory: descriptors, the driver's area (avail), the device's (used). For tests that write what no driver would.
func (q *Queue) Areas() (desc, driver, device []byte) {
	a := q.ring.areas()
	return a[0], a[1], a[2]
}

func (q *Queue) close() {
	for _, fd := range []int{q.kick, q.call, q.broken} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

var one = []byte{1, 0, 0, 0, 0, 0, 0, 0}

// notify adds to an eventfd. One that is full is signalled already.
func notify(fd int) error {
	if _, err := unix.Write(fd, one); err != nil && !errors.Is(err, unix.EAGAIN) {
		return fmt.Errorf("driver: kick: %w", err)
	}
	return nil
}

func drain(fd int) {
	var b [8]byte
	unix.Read(fd, b[:]) // EAGAIN: somebody else was told
}
