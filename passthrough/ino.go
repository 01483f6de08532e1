package passthrough

import "sync"

// inoBits is how many bits of a host's inode number are kept as they are beside the number of its device.
const inoBits = 48

// inoMap makes inode numbers unique over all host file systems below the root. Below 2^62 are those of the root's device, as they are;
// from there to 2^63 those of others, with the device's number on top; above it numbers from a list, for those that do not fit.
type inoMap struct {
	raw bool

	mu     sync.Mutex
	spaces map[uint64]uint64    // device → number, from 0; guarded by mu
	large  map[[2]uint64]uint64 // guarded by mu
}

// space is the number of a device.
func (m *inoMap) space(dev uint64) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spaces == nil {
		m.spaces = make(map[uint64]uint64)
	}
	s, ok := m.spaces[dev]
	if !ok {
		s = uint64(len(m.spaces))
		m.spaces[dev] = s
	}
	return s
}

// number is the inode number that the client sees.
func (m *inoMap) number(space, ino uint64) uint64 {
	if m.raw || space == 0 && ino < 1<<62 {
		return ino
	}
	if ino < 1<<inoBits && space < 1<<(62-inoBits) {
		return 1<<62 | space<<inoBits | ino
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.large == nil {
		m.large = make(map[[2]uint64]uint64)
	}
	v, ok := m.large[[2]uint64{space, ino}]
	if !ok {
		v = 1<<63 | uint64(len(m.large)+1)
		m.large[[2]uint64{space, ino}] = v
	}
	return v
}
