//go:build linux

package vring

import (
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// The dirty log has a bit for each page of guest memory, of this size whatever the host's is (VHOST_LOG_PAGE).
const (
	logPageShift = 12
	logWordPages = 32
)

// dirtyLog is the bitmap in which a front-end that migrates its guest sees which pages we wrote. Any thread may mark.
type dirtyLog struct {
	base, n uintptr // what was mapped
	log     []byte
}

// newDirtyLog maps the log: size bytes of fd from offset. The descriptor stays the caller's.
func newDirtyLog(fd int, size, offset uint64) (*dirtyLog, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("vring: dirty log: stat of its file: %w", err)
	}
	switch end := offset + size; {
	case size == 0 || size > math.MaxUint32 || size%4 != 0 || offset%4 != 0 || end < size || end > math.MaxInt64:
		return nil, fmt.Errorf("vring: dirty log: %d bytes at %d: want whole words, less than 4 GiB", size, offset)
	case end > uint64(st.Size):
		return nil, fmt.Errorf("vring: dirty log: the file has %d bytes, %d at %d were announced", st.Size, size, offset)
	}
	lead := offset & uint64(os.Getpagesize()-1)
	base, err := mapShared(fd, int64(offset-lead), uintptr(lead+size))
	if err != nil {
		return nil, fmt.Errorf("vring: dirty log: map %d bytes at %d: %w", size, offset, err)
	}
	return &dirtyLog{base: base, n: uintptr(lead + size), log: view(base+uintptr(lead), uintptr(size))}, nil
}

// mark notes that [gpa, gpa+n) was written. It comes after the writes. Pages beyond the log are none of its business.
func (d *dirtyLog) mark(gpa, n uint64) {
	if n == 0 {
		return
	}
	page, last := gpa>>logPageShift, (gpa+n-1)>>logPageShift
	last = min(last, uint64(len(d.log))*8-1)
	for page <= last {
		end := min(last, page|(logWordPages-1))
		mask := uint32(math.MaxUint32) >> (logWordPages - 1 - (end - page)) << (page % logWordPages)
		// A bit that is set is set again: only the OR orders our writes with the front-end's look.
		word(d.log, uint32(page/8)&^3).Or(mask)
		page = end + 1
	}
}

// close unmaps the log.
func (d *dirtyLog) close() {
	if err := unmap(d.base, d.n); err != nil {
		panic(fmt.Sprintf("vring: unmap the dirty log: %v", err)) // a range that mmap gave
	}
}
