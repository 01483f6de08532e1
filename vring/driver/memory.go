//go:build linux

package driver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrNoMemory is wrapped by the error of an allocation that guest memory has no room for.
var ErrNoMemory = errors.New("guest memory is full: give Config.Memory more")

// guestBase is where guest memory starts, for the guest: not 0, so that an address that nobody filled in is wrong.
const guestBase = 1 << 32

// Region is a piece of guest memory as the device gets to know it.
type Region struct {
	GPA, Size, User, Offset uint64
	FD                      int // a memfd, the memory's
}

// encode is the region as messages have it.
func (r *Region) encode() []byte {
	var b []byte
	for _, v := range [...]uint64{r.GPA, r.Size, r.User, r.Offset} {
		b = binary.NativeEndian.AppendUint64(b, v)
	}
	return b
}

// Segment is a buffer in guest memory, by the guest's address.
type Segment struct {
	Addr uint64
	Len  uint32
}

// Memory is the memory of a guest: one stretch of addresses, cut into regions, each a memfd of its own. What is allocated stays.
type Memory struct {
	b       []byte
	regions []Region
	user    uint64 // address of b

	mu   sync.Mutex
	used int // guarded by mu
}

func newMemory(size int64, regions int) (*Memory, error) {
	page := int64(unix.Getpagesize())
	each := (size/int64(regions) + page - 1) &^ (page - 1)
	if each <= 0 {
		return nil, fmt.Errorf("driver: guest memory of %d bytes in %d regions: too small", size, regions)
	}
	b, err := reserve(int(each) * regions)
	if err != nil {
		return nil, fmt.Errorf("driver: guest memory of %d bytes: %w", size, err)
	}
	m := &Memory{b: b, user: address(b)}
	for i := range regions {
		r := Region{GPA: guestBase + uint64(i)*uint64(each), Size: uint64(each), User: m.user + uint64(i)*uint64(each), FD: -1}
		if r.FD, err = mapMemfd(r.User, each); err != nil {
			m.close()
			return nil, fmt.Errorf("driver: guest memory: %w", err)
		}
		m.regions = append(m.regions, r)
	}
	return m, nil
}

// Regions are the pieces, in the order of their addresses.
func (m *Memory) Regions() []Region { return m.regions }

// Free is how much can still be allocated.
func (m *Memory) Free() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.b) - m.used
}

// Alloc gives n zeroed bytes, aligned to a power of two up to a page.
func (m *Memory) Alloc(n, align int) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := (m.used + align - 1) &^ (align - 1)
	if n > len(m.b)-at {
		return nil, fmt.Errorf("driver: %d bytes: %w", n, ErrNoMemory)
	}
	m.used = at + n
	return m.b[at : at+n : at+n], nil
}

// Segment is b as a guest's driver names it. Precondition: b is guest memory.
func (m *Memory) Segment(b []byte) Segment {
	return Segment{Addr: guestBase + address(b) - m.user, Len: uint32(len(b))}
}

func (m *Memory) close() {
	for _, r := range m.regions {
		unix.Close(r.FD)
	}
	if m.b != nil {
		unmap(m.b)
		m.b = nil
	}
}
