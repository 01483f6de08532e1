//go:build linux

package driver

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

// BridgeConfig says how a bridge mounts and forwards. The zero value does as Linux's virtio-fs does.
type BridgeConfig struct {
	// Options of the mount; "": default_permissions,allow_other.
	Options string
	// Piece is how many bytes of payload a descriptor has at most, a power of two; 0: a page, as in a guest with scattered memory.
	Piece int
	// Interrupts are sent by the hiprio queue, which the specification has and Linux does not.
	Interrupts bool
	// Depth is how many requests a queue has in flight at most; 0: its size. Guest memory may hold fewer.
	Depth int
}

// bootPayload is the space for INIT, and what /dev/fuse wants of a read before INIT has said more.
const bootPayload = 8192

// minChain is how many descriptors a request takes whose payload is in one piece.
const minChain = 8

// drainLimit is how long the end of a bridge waits for the device.
const drainLimit = 30 * time.Second

// Bridged is a mount whose requests go to a device.
type Bridged struct {
	d      *Driver
	c      BridgeConfig
	dev    *device
	queues []*bridgeQueue
	own    *slot // for INIT and DESTROY

	readers sync.WaitGroup
	writers sync.WaitGroup
	once    sync.Once
	halted  chan struct{} // closed: nothing more is forwarded
	done    chan struct{}

	mu    sync.Mutex
	wrong error // first rule that the device broke, first error of our own; guarded by mu
}

// Bridge mounts a new connection on dir and forwards what the host's kernel asks, INIT included, to the device, as a guest with
// virtio-fs would: FORGET by the hiprio queue, the rest by the request queues. A driver has one bridge in its life.
//
// A process that works on the mount of its own bridge cannot be killed when the device hangs: serve it in one of its own.
func Bridge(d *Driver, dir string, c BridgeConfig) (*Bridged, error) {
	if c.Options == "" {
		c.Options = "default_permissions,allow_other"
	}
	if c.Piece == 0 {
		c.Piece = pageSize
	}
	if c.Depth == 0 {
		c.Depth = d.c.Size
	}
	v, err := mountDevice(dir, c.Options)
	if err != nil {
		return nil, err
	}
	b := &Bridged{d: d, c: c, dev: v, halted: make(chan struct{}), done: make(chan struct{})}
	if err := b.boot(); err != nil {
		b.halt()
		v.unmount()
		b.writers.Wait()
		v.close()
		return nil, err
	}
	for _, p := range b.queues {
		b.readers.Go(func() { b.fail(p.read()) })
	}
	go b.watch()
	return b, nil
}

// boot forwards INIT on the first queue, then makes slots as large as its reply allows.
func (b *Bridged) boot() error {
	for i := range b.d.c.Queues {
		fd := b.dev.fds[0]
		if i > 0 {
			var err error
			if fd, err = b.dev.clone(); err != nil {
				return err
			}
		}
		b.queues = append(b.queues, newBridgeQueue(b, fd, b.d.queues[i+1]))
	}
	for _, p := range b.queues {
		b.writers.Go(func() { b.fail(p.complete()) })
	}
	if b.c.Interrupts {
		b.d.hiprio.attend(b.interruptReply)
		b.writers.Go(func() { b.fail(b.d.hiprio.serve()) })
	}
	payload, err := b.init()
	if err != nil {
		return err
	}
	return b.makeSlots(payload)
}

func (b *Bridged) init() (payload int, err error) {
	p := b.queues[0]
	s, err := newSlot(b.d.mem, bootPayload)
	if err != nil {
		return 0, err
	}
	b.own = s
	n, err := b.dev.read(p.fd, s.in)
	if err != nil {
		return 0, err
	}
	if n == 0 || !s.header.Load(s.in) || s.header.Opcode != abi.OpInit {
		return 0, fmt.Errorf("driver: /dev/fuse starts with %v, %d bytes, not with INIT", s.header.Opcode, n)
	}
	if err := b.call(p, s, n); err != nil {
		return 0, err
	}
	var out abi.InitOut
	if !abi.Decode(&out, s.out[abi.OutHeaderSize:]) || out.Major != abi.KernelVersion {
		return 0, fmt.Errorf("driver: INIT: the device answers with version %d.%d, not %d", out.Major, out.Minor, abi.KernelVersion)
	}
	s.fd = p.fd
	b.reply(s)
	pages := 32 // FUSE_DEFAULT_MAX_PAGES_PER_REQ
	if abi.InitFlags(out.Flags)&abi.InitMaxPages != 0 {
		pages = int(out.MaxPages)
	}
	return max(int(out.MaxWrite), pages*pageSize, bootPayload), nil
}

// call sends a request of the bridge's own and waits for the reply.
func (b *Bridged) call(p *bridgeQueue, s *slot, n int) error {
	s.header.Load(s.in)
	s.fd, s.answer = -1, make(chan int32, 1)
	op := s.header.Opcode
	late := time.AfterFunc(drainLimit, func() { b.fail(fmt.Errorf("driver: %v: no reply within %v", op, drainLimit)) })
	defer late.Stop()
	if err := p.submit(s, n); err != nil {
		return err
	}
	select {
	case e := <-s.answer:
		if e != 0 {
			return fmt.Errorf("driver: %v: %w", op, unix.Errno(-e))
		}
		return nil
	case <-b.halted:
		return b.Err()
	}
}

// makeSlots gives each queue its depth, as far as guest memory goes.
func (b *Bridged) makeSlots(payload int) error {
	depth := min(b.c.Depth, b.d.mem.Free()/len(b.queues)/slotSize(payload))
	if depth == 0 {
		return fmt.Errorf("driver: requests of %d bytes: %w", payload, ErrNoMemory)
	}
	chain := b.d.queues[1].ring.maxChain() // two headers, an argument and both ends of each payload
	if chain < minChain {
		return fmt.Errorf("driver: queues of %d: a bridge needs chains of %d descriptors", b.d.c.Size, minChain)
	}
	for need := payload + 2*pageSize; need/b.c.Piece > chain-minChain; {
		b.c.Piece *= 2
	}
	for _, p := range b.queues {
		for range depth {
			s, err := newSlot(b.d.mem, payload)
			if err != nil {
				return err
			}
			p.idle = append(p.idle, s)
		}
	}
	return nil
}

// reply writes a reply to where its request came from. The caller may be gone by then.
func (b *Bridged) reply(s *slot) {
	var h abi.OutHeader
	abi.Decode(&h, s.out)
	if s.fd < 0 {
		s.answer <- h.Error
		return
	}
	if _, err := unix.Write(s.fd, s.out[:h.Len]); err != nil && !gone(err) {
		b.violation(fmt.Errorf("driver: the kernel does not take the reply to %v, %d bytes, error %d: %w", s.header.Opcode, h.Len, h.Error, err))
	}
}

// interruptReply passes EAGAIN on: the kernel then asks again. It goes to the fd that the interrupted request came from.
func (b *Bridged) interruptReply(msg []byte) {
	for _, p := range b.queues {
		if _, err := unix.Write(p.fd, msg); err == nil {
			return
		}
	}
}

// gone says that the request is no longer there, or the mount.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ECONNABORTED)
}

// violation notes a rule that the device broke.
func (b *Bridged) violation(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wrong == nil {
		b.wrong = err
	}
}

// fail ends the bridge if err is one.
func (b *Bridged) fail(err error) {
	if err == nil {
		return
	}
	b.violation(err)
	b.halt()
}

// halt has all goroutines end.
func (b *Bridged) halt() {
	b.once.Do(func() { close(b.halted) })
	notify(b.dev.stop)
	for _, p := range b.queues {
		p.stop()
	}
	b.d.hiprio.stop()
}

// watch ends the bridge when its readers do: the mount is gone, or something went wrong.
func (b *Bridged) watch() {
	b.readers.Wait()
	if b.Err() == nil {
		b.fail(b.farewell())
	}
	b.halt()
	b.writers.Wait()
	b.dev.unmount()
	b.dev.close()
	close(b.done)
}

// farewell sends DESTROY, as a guest does when it unmounts, and waits for what is in flight.
func (b *Bridged) farewell() error {
	h := abi.InHeader{Len: abi.HeaderSize, Opcode: abi.OpDestroy, Unique: 1 << 62}
	if err := b.call(b.queues[0], b.own, copy(b.own.in, abi.Bytes(&h))); err != nil {
		return err
	}
	for end := time.Now().Add(drainLimit); ; time.Sleep(time.Millisecond) {
		left := b.inFlight()
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("driver: the device has not answered %v within %v of DESTROY", left, drainLimit)
		}
	}
}

// inFlight are the requests that the device has not answered.
func (b *Bridged) inFlight() (ops []abi.Opcode) {
	for _, p := range b.queues {
		p.mu.Lock()
		for _, s := range p.byID {
			if s != nil {
				ops = append(ops, s.header.Opcode)
			}
		}
		p.mu.Unlock()
	}
	return ops
}

// Device is the minor number of the mount's st_dev: its name below /sys/fs/fuse/connections.
func (b *Bridged) Device() int { return int(b.dev.minor) }

// Err is what the device did wrong so far.
func (b *Bridged) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wrong
}

// Wait returns when the mount is gone, with what the device did wrong, if anything.
func (b *Bridged) Wait() error {
	<-b.done
	return b.Err()
}

// Close unmounts, also when files are open, and waits.
func (b *Bridged) Close() error {
	err := b.dev.unmount()
	notify(b.dev.stop)
	for _, p := range b.queues {
		p.close()
	}
	if werr := b.Wait(); werr != nil {
		return werr
	}
	return err
}
