//go:build linux

package driver

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLacks is wrapped by Dial's error when the device does not offer what the Config asks for.
var ErrLacks = errors.New("the device does not offer")

// Config says what to ask of the device. The zero value is one request queue of 128, split, without options.
type Config struct {
	Queues   int   // request queues, besides hiprio; 0: 1
	Size     int   // descriptors of a queue, a power of two; 0: 128
	Packed   bool  // RING_PACKED
	EventIdx bool  // EVENT_IDX
	Indirect bool  // INDIRECT_DESC
	Memory   int64 // bytes of guest memory; 0: 256 MiB. Pages that nobody touched cost nothing
	Regions  int   // pieces that guest memory is cut into, adjacent; 0: 1

	// Without are protocol features that are not taken, though the device may offer them.
	Without uint64

	// Timeout ends the wait for an answer on the socket; 0: a minute.
	Timeout time.Duration
}

func (c *Config) fill() error {
	for _, d := range []struct {
		v *int
		n int
	}{{&c.Queues, 1}, {&c.Size, 128}, {&c.Regions, 1}} {
		if *d.v == 0 {
			*d.v = d.n
		}
	}
	if c.Memory == 0 {
		c.Memory = 256 << 20
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Size < 2 || c.Size > 32768 || c.Size&(c.Size-1) != 0 {
		return fmt.Errorf("driver: queues of %d: it is a power of two from 2 to 32768", c.Size)
	}
	return nil
}

// features are the virtio features that the configuration needs.
func (c *Config) features() uint64 {
	f := uint64(FeatureVersion1)
	if c.Packed {
		f |= FeatureRingPacked
	}
	if c.EventIdx {
		f |= FeatureEventIdx
	}
	if c.Indirect {
		f |= FeatureIndirect
	}
	return f
}

// Driver is a connection with a device whose queues run.
type Driver struct {
	f        *Frontend
	mem      *Memory
	c        Config
	features uint64 // agreed
	protocol uint64 // agreed
	queues   []*Queue
	hiprio   *hiprio // of queue 0

	mu      sync.Mutex
	plugged []*Hotplug // guarded by mu
	nextGPA uint64     // of the next; guarded by mu
}

// Dial connects to the device that listens at path, negotiates and starts the queues.
func Dial(path string, c Config) (*Driver, error) {
	if err := c.fill(); err != nil {
		return nil, err
	}
	f, err := Connect(path, c.Timeout)
	if err != nil {
		return nil, err
	}
	return open(f, c)
}

// New is Dial on a connected socket, which it takes over.
func New(fd int, c Config) (*Driver, error) {
	if err := c.fill(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	f, err := NewFrontend(fd, c.Timeout)
	if err != nil {
		return nil, err
	}
	return open(f, c)
}

func open(f *Frontend, c Config) (*Driver, error) {
	d := &Driver{f: f, c: c}
	err := d.negotiate()
	if err == nil {
		err = d.allocate()
	}
	if err == nil {
		err = d.start()
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// negotiate is what QEMU asks when the device is plugged in.
func (d *Driver) negotiate() error {
	offered, err := d.f.AskU64(GetFeatures)
	if err != nil {
		return err
	}
	d.features = d.c.features()
	if miss := d.features &^ offered; miss != 0 {
		return fmt.Errorf("driver: %w virtio features %#x (of %#x)", ErrLacks, miss, offered)
	}
	if offered&FeatureProtocol != 0 {
		d.features |= FeatureProtocol
		if err := d.negotiateProtocol(); err != nil {
			return err
		}
	}
	if d.protocol&ProtocolMQ != 0 {
		n, err := d.f.AskU64(GetQueueNum)
		if err != nil {
			return err
		}
		if n < uint64(d.c.Queues)+1 {
			return fmt.Errorf("driver: %w %d request queues and hiprio: it has %d queues", ErrLacks, d.c.Queues, n)
		}
	}
	if d.protocol&ProtocolMemSlots != 0 {
		n, err := d.f.AskU64(GetMaxMemSlots)
		if err != nil {
			return err
		}
		if n < uint64(d.c.Regions) {
			return fmt.Errorf("driver: %w %d memory regions: it has %d slots", ErrLacks, d.c.Regions, n)
		}
	}
	if err := d.f.Do(SetOwner, nil); err != nil {
		return err
	}
	if d.protocol&ProtocolReplyAck != 0 {
		d.f.agreeAck()
	}
	_, err = d.f.AskU64(GetFeatures)
	return err
}

func (d *Driver) negotiateProtocol() error {
	offered, err := d.f.AskU64(GetProtocolFeatures)
	if err != nil {
		return err
	}
	d.protocol = offered & ProtocolAll &^ d.c.Without
	return d.f.DoU64(SetProtocolFeatures, d.protocol)
}

// allocate makes memory, rings and eventfds.
func (d *Driver) allocate() error {
	var err error
	if d.mem, err = newMemory(d.c.Memory, d.c.Regions); err != nil {
		return err
	}
	d.nextGPA = (guestBase+uint64(len(d.mem.b)))&^(hotplugGap-1) + 2*hotplugGap
	for i := range d.c.Queues + 1 {
		q := &Queue{index: i, kick: -1, call: -1, broken: -1, sock: d.f.FD()}
		d.queues = append(d.queues, q)
		g, err := newGeometry(d.mem, d.c.Size, d.features)
		if err != nil {
			return err
		}
		q.ring = g.layout()
		for _, fd := range []*int{&q.kick, &q.call, &q.broken} {
			if *fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
				return fmt.Errorf("driver: eventfd: %w", err)
			}
		}
	}
	d.hiprio, err = newHiprio(d.mem, d.queues[0], d.c.Size, d.c.Timeout)
	return err
}

// Queue gives queue i: 0 is hiprio, the request queues follow.
func (d *Driver) Queue(i int) *Queue { return d.queues[i] }

// Queues is how many request queues there are.
func (d *Driver) Queues() int { return d.c.Queues }

// Memory is the guest's memory.
func (d *Driver) Memory() *Memory { return d.mem }

// Frontend is the socket, for messages that Driver does not send by itself.
func (d *Driver) Frontend() *Frontend { return d.f }

// Features are the virtio and protocol features that both ends agreed on.
func (d *Driver) Features() (virtio, protocol uint64) { return d.features, d.protocol }

// Close ends the connection and drops guest memory. No goroutine may be using the queues.
func (d *Driver) Close() error {
	err := d.f.Close()
	for _, q := range d.queues {
		q.close()
	}
	for _, h := range d.plugged {
		h.close()
	}
	if d.mem != nil {
		d.mem.close()
	}
	return err
}
