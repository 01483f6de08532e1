//go:build linux

package driver

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// hotplugGap lies between regions that were added, so that nothing is adjacent to them.
const hotplugGap = 1 << 30

// Hotplug is guest memory that came while the device runs and can go again.
type Hotplug struct {
	Region
	Bytes []byte // valid until RemoveMemory
}

// Segment is n bytes from off on.
func (h *Hotplug) Segment(off, n int) Segment { return Segment{h.GPA + uint64(off), uint32(n)} }

// AddMemory gives the guest n more bytes, whole pages.
func (d *Driver) AddMemory(n int) (*Hotplug, error) {
	b, err := reserve(n)
	if err != nil {
		return nil, fmt.Errorf("driver: %d bytes more: %w", n, err)
	}
	h := &Hotplug{Bytes: b}
	h.User, h.Size = address(b), uint64(n)
	if h.FD, err = mapMemfd(h.User, int64(n)); err != nil {
		unmap(b)
		return nil, fmt.Errorf("driver: %d bytes more: %w", n, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h.GPA = d.nextGPA
	d.nextGPA += (h.Size+hotplugGap-1)&^(hotplugGap-1) + hotplugGap
	d.plugged = append(d.plugged, h)
	if d.protocol&ProtocolMemSlots != 0 {
		err = d.f.Do(AddMemReg, append(make([]byte, 8), h.encode()...), h.FD)
	} else {
		err = d.memTable()
	}
	if err != nil {
		d.plugged = d.plugged[:len(d.plugged)-1]
		h.close()
		return nil, err
	}
	return h, nil
}

// RemoveMemory takes it away again. When it returns the device uses it no more. A guest's driver has nothing in flight there; a
// device has to stand it.
func (d *Driver) RemoveMemory(h *Hotplug) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.plugged, h)
	if i < 0 {
		return fmt.Errorf("driver: the memory at %#x is not there, or was removed already", h.GPA)
	}
	d.plugged = slices.Delete(d.plugged, i, i+1)
	defer h.close()
	if d.protocol&ProtocolMemSlots != 0 {
		return d.f.Do(RemMemReg, append(make([]byte, 8), h.encode()...))
	}
	return d.memTable()
}

func (h *Hotplug) close() {
	unix.Close(h.FD)
	unmap(h.Bytes)
}

// memTable sends all regions at once, the way of front-ends without CONFIGURE_MEM_SLOTS. Preconditions: mu is held.
func (d *Driver) memTable() error {
	all := slices.Clone(d.mem.regions)
	for _, h := range d.plugged {
		all = append(all, h.Region)
	}
	table := state(len(all), 0)
	fds := make([]int, len(all))
	for i, r := range all {
		table, fds[i] = append(table, r.encode()...), r.FD
	}
	return d.f.Do(SetMemTable, table, fds...)
}
