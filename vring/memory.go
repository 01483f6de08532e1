//go:build linux

package vring

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// maxRegions is the number of regions that a table may have: the slots that KVM gives a VMM.
const maxRegions = 509

// Region is a range of guest memory as vhost-user describes it: guest physical address, size, address in the front-end,
// offset in the file.
type Region struct{ GPA, Size, UVA, Offset uint64 }

// shortFileError: a region's file ends before the region does; touching what is missing would be a SIGBUS.
type shortFileError struct {
	region Region
	size   int64
}

func (e *shortFileError) Error() string {
	return fmt.Sprintf("vring: guest memory %#x: the file has %d bytes, offset %d and size %d need more", e.region.GPA, e.size, e.region.Offset, e.region.Size)
}

// mapping is a mapped region, shared by all versions of the table that have it.
type mapping struct {
	Region
	host    uintptr // of the region's first byte
	base, n uintptr // what was mapped: whole pages
	refs    atomic.Int32
}

// Memory is a version of a guest's memory table. It does not change; a new version shares the mappings that stay.
type Memory struct {
	regions []*mapping // by guest address
}

// mapMemory maps the regions of a table. The descriptors stay the caller's.
func mapMemory(rs []Region, fds []int) (*Memory, error) {
	if len(rs) != len(fds) {
		return nil, fmt.Errorf("vring: guest memory: %d regions came with %d descriptors", len(rs), len(fds))
	}
	m := &Memory{}
	for i, r := range rs {
		if err := m.add(r, fds[i]); err != nil {
			m.release()
			return nil, err
		}
	}
	return m, nil
}

// with is the version that also has region r.
func (m *Memory) with(r Region, fd int) (*Memory, error) {
	next := m.clone()
	if err := next.add(r, fd); err != nil {
		next.release()
		return nil, err
	}
	return next, nil
}

// without is the version that lacks region r, which is named by its addresses and size.
func (m *Memory) without(r Region) (*Memory, error) {
	for i, have := range m.regions {
		if have.GPA == r.GPA && have.UVA == r.UVA && have.Size == r.Size {
			next := m.clone()
			next.regions[i].drop()
			next.regions = slices.Delete(next.regions, i, i+1)
			return next, nil
		}
	}
	return nil, fmt.Errorf("vring: guest memory %#x, size %d, front-end address %#x: there is no such region to remove", r.GPA, r.Size, r.UVA)
}

func (m *Memory) clone() *Memory {
	next := &Memory{regions: slices.Clone(m.regions)}
	for _, r := range next.regions {
		r.refs.Add(1)
	}
	return next
}

// add maps r. Preconditions: nobody else has m yet.
func (m *Memory) add(r Region, fd int) error {
	if len(m.regions) == maxRegions {
		return fmt.Errorf("vring: guest memory %#x: there are %d regions already, the limit", r.GPA, maxRegions)
	}
	if err := r.check(); err != nil {
		return err
	}
	for _, have := range m.regions {
		if overlap(have.GPA, have.Size, r.GPA, r.Size) || overlap(have.UVA, have.Size, r.UVA, r.Size) {
			return fmt.Errorf("vring: guest memory %#x, size %d, front-end address %#x: overlaps the region at %#x", r.GPA, r.Size, r.UVA, have.GPA)
		}
	}
	mapped, err := mapRegion(r, fd)
	if err != nil {
		return err
	}
	i, _ := slices.BinarySearchFunc(m.regions, r.GPA, func(have *mapping, gpa uint64) int { return cmp.Compare(have.GPA, gpa) })
	m.regions = slices.Insert(m.regions, i, mapped)
	return nil
}

func (r Region) check() error {
	last := r.Size - 1
	switch {
	case r.Size == 0:
		return fmt.Errorf("vring: guest memory %#x: size 0", r.GPA)
	case r.GPA+last < r.GPA, r.UVA+last < r.UVA, r.Offset+last < r.Offset, r.Offset+last >= math.MaxInt64:
		return fmt.Errorf("vring: guest memory %#x, front-end address %#x, offset %#x: size %#x goes past the end of the address space", r.GPA, r.UVA, r.Offset, r.Size)
	}
	return nil
}

// overlap: two ranges, neither of which wraps, have a byte in common.
func overlap(a, an, b, bn uint64) bool { return a <= b+(bn-1) && b <= a+(an-1) }

func mapRegion(r Region, fd int) (*mapping, error) {
	page, err := checkFile(r, fd)
	if err != nil {
		return nil, err
	}
	lead := r.Offset & (page - 1)
	n := (lead + r.Size + page - 1) &^ (page - 1)
	if n < r.Size || n > math.MaxInt64 {
		return nil, fmt.Errorf("vring: guest memory %#x: %w: size %#x", r.GPA, unix.ENOMEM, r.Size)
	}
	base, err := mapShared(fd, int64(r.Offset-lead), uintptr(n))
	if err != nil {
		return nil, fmt.Errorf("vring: guest memory %#x: map %d bytes at %#x for reading and writing: %w", r.GPA, n, r.Offset-lead, err)
	}
	m := &mapping{Region: r, host: base + uintptr(lead), base: base, n: uintptr(n)}
	m.refs.Store(1)
	return m, nil
}

// checkFile says how large the pages of a region's file are. A file that is no regular one (device DAX) knows its own
// size only in mmap.
func checkFile(r Region, fd int) (page uint64, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("vring: guest memory %#x: stat of its file: %w", r.GPA, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG && r.Offset+r.Size > uint64(st.Size) {
		return 0, &shortFileError{r, st.Size}
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return 0, fmt.Errorf("vring: guest memory %#x: statfs of its file: %w", r.GPA, err)
	}
	if fs.Type == unix.HUGETLBFS_MAGIC {
		return uint64(fs.Bsize), nil
	}
	return uint64(os.Getpagesize()), nil
}

// release drops this version; a mapping that no version has any more is unmapped.
// Preconditions: nothing uses what was got from it.
func (m *Memory) release() {
	for _, r := range m.regions {
		r.drop()
	}
	m.regions = nil
}

func (r *mapping) drop() {
	if r.refs.Add(-1) == 0 {
		if err := unmap(r.base, r.n); err != nil {
			panic(fmt.Sprintf("vring: unmap %d bytes at %#x: %v", r.n, r.base, err)) // a range that mmap gave
		}
	}
}

// revoke makes the mappings of this version untouchable, for a device that cannot wait for what still uses them: loads
// and stores fault, system calls answer EFAULT. The addresses stay taken until release.
func (m *Memory) revoke() error {
	var errs []error
	for _, r := range m.regions {
		if err := mapNothing(r.base, r.n); err != nil {
			errs = append(errs, fmt.Errorf("vring: guest memory %#x: make it untouchable: %w", r.GPA, err))
		}
	}
	return errors.Join(errs...)
}

// find is the region that has gpa, or nil.
func (m *Memory) find(gpa uint64) *mapping {
	lo, hi := 0, len(m.regions)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch r := m.regions[mid]; {
		case gpa < r.GPA:
			hi = mid
		case gpa-r.GPA >= r.Size:
			lo = mid + 1
		default:
			return r
		}
	}
	return nil
}

// bytes is guest memory [gpa, gpa+n), nil when it does not lie inside one region.
func (m *Memory) bytes(gpa, n uint64) []byte {
	r := m.find(gpa)
	if r == nil {
		return nil
	}
	return r.slice(gpa-r.GPA, n)
}

// user is the same for the front-end's addresses.
func (m *Memory) user(uva, n uint64) []byte {
	for _, r := range m.regions {
		if uva-r.UVA < r.Size {
			return r.slice(uva-r.UVA, n)
		}
	}
	return nil
}

// slice is n bytes from offset off, nil when the region does not have them. Preconditions: off < r.Size.
func (r *mapping) slice(off, n uint64) []byte {
	if n == 0 || n > r.Size-off {
		return nil
	}
	return view(r.host+uintptr(off), uintptr(n))
}

// guest is the region that is mapped around host, or nil.
func (m *Memory) guest(host uintptr) *mapping {
	for _, r := range m.regions {
		if uint64(host-r.host) < r.Size {
			return r
		}
	}
	return nil
}
