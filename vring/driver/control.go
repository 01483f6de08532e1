//go:build linux

package driver

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// start is what QEMU sends when the guest's driver says DRIVER_OK.
func (d *Driver) start() error {
	for _, q := range d.queues {
		if err := d.f.DoU64(SetVringErr, uint64(q.index), q.broken); err != nil {
			return err
		}
	}
	if err := d.f.DoU64(SetFeatures, d.features); err != nil {
		return err
	}
	if err := d.shareMemory(); err != nil {
		return err
	}
	return d.startAll()
}

func (d *Driver) startAll() error {
	for _, q := range d.queues {
		if err := d.startQueue(q, d.base()); err != nil {
			return err
		}
	}
	for _, q := range d.queues {
		if err := d.enable(q.index, true); err != nil {
			return err
		}
	}
	return nil
}

// shareMemory gives the device all regions.
func (d *Driver) shareMemory() error {
	if d.protocol&ProtocolMemSlots != 0 {
		for _, r := range d.mem.regions {
			if err := d.f.Do(AddMemReg, append(make([]byte, 8), r.encode()...), r.FD); err != nil {
				return err
			}
		}
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.memTable()
}

// base is where a fresh queue starts: for packed rings both wrap counters are 1.
func (d *Driver) base() uint32 {
	if d.c.Packed {
		return 1<<15 | 1<<31
	}
	return 0
}

func (d *Driver) startQueue(q *Queue, base uint32) error {
	if err := d.f.DoState(SetVringNum, q.index, uint32(d.c.Size)); err != nil {
		return err
	}
	if err := d.f.DoState(SetVringBase, q.index, base); err != nil {
		return err
	}
	if err := d.setAddr(q, false); err != nil {
		return err
	}
	if err := d.f.DoU64(SetVringCall, uint64(q.index), q.call); err != nil {
		return err
	}
	return d.f.DoU64(SetVringKick, uint64(q.index), q.kick)
}

// setAddr says where the ring is; logged: writes to the used ring are to be noted in the dirty log.
func (d *Driver) setAddr(q *Queue, logged bool) error {
	a := q.ring.areas()
	b := state(q.index, 0)
	if logged {
		b = state(q.index, vringLog)
	}
	for _, v := range [...]uint64{address(a[0]), address(a[2]), address(a[1]), d.mem.Segment(a[2]).Addr} {
		b = binary.NativeEndian.AppendUint64(b, v)
	}
	return d.f.Do(SetVringAddr, b)
}

func (d *Driver) enable(queue int, on bool) error {
	if d.features&FeatureProtocol == 0 {
		return nil // they start enabled
	}
	var v uint32
	if on {
		v = 1
	}
	return d.f.DoState(SetVringEnable, queue, v)
}

// Stop stops queue i, as a VMM does before it reboots or moves its guest, and returns where the device will go on. The device has given
// back by then what it had taken.
func (d *Driver) Stop(i int) (base uint32, err error) {
	if err := d.enable(i, false); err != nil {
		return 0, err
	}
	b, err := d.f.Ask(GetVringBase, 8, state(i, 0))
	if err != nil {
		return 0, err
	}
	if n := binary.NativeEndian.Uint32(b); n != uint32(i) {
		return 0, fmt.Errorf("driver: %v of queue %d: the answer is for queue %d", GetVringBase, i, n)
	}
	return binary.NativeEndian.Uint32(b[4:]), nil
}

// Start has queue i go on from base, with the ring as it is.
func (d *Driver) Start(i int, base uint32) error {
	if err := d.startQueue(d.queues[i], base); err != nil {
		return err
	}
	return d.enable(i, true)
}

// Reset stops all queues, resets the device if it knows how, and starts with empty rings, as a guest that boots again. What was in
// flight is forgotten; a Client made before is of no more use.
func (d *Driver) Reset() error {
	for _, q := range d.queues {
		if _, err := d.Stop(q.index); err != nil {
			return err
		}
	}
	if d.protocol&ProtocolResetDevice != 0 {
		if err := d.f.Do(ResetDevice, nil); err != nil {
			return err
		}
	}
	for _, q := range d.queues {
		q.ring = q.ring.layout()
		drain(q.kick)
		drain(q.call)
	}
	d.hiprio.reset()
	if err := d.f.DoU64(SetFeatures, d.features); err != nil {
		return err
	}
	return d.startAll()
}

// ChangeCall gives queue i another eventfd to be told by while it runs, as QEMU does when the guest sets up its interrupts. The queue
// must not be in Sleep.
func (d *Driver) ChangeCall(i int) error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("driver: eventfd: %w", err)
	}
	q := d.queues[i]
	if err := d.f.DoU64(SetVringCall, uint64(i), fd); err != nil {
		unix.Close(fd)
		return err
	}
	unix.Close(q.call)
	q.call = fd
	return notify(fd) // what went to the old one is not lost
}
