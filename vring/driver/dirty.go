//go:build linux

package driver

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// DirtyLog is the bitmap in which a device notes the pages of guest memory that it wrote, for a guest that is being moved.
type DirtyLog struct {
	bits []byte
	fd   int
}

// StartLog has the device keep a log from now on, as QEMU does when a migration starts. Memory added later is not in it.
func (d *Driver) StartLog() (*DirtyLog, error) {
	if d.protocol&ProtocolLogShmfd == 0 {
		return nil, fmt.Errorf("driver: %w a log of what it writes (LOG_SHMFD)", ErrLacks)
	}
	d.mu.Lock()
	n := int(d.nextGPA/pageSize/8+pageSize-1) &^ (pageSize - 1)
	d.mu.Unlock()
	b, err := reserve(n)
	if err != nil {
		return nil, fmt.Errorf("driver: dirty log: %w", err)
	}
	l := &DirtyLog{bits: b}
	if l.fd, err = mapMemfd(address(b), int64(n)); err != nil {
		unmap(b)
		return nil, fmt.Errorf("driver: dirty log: %w", err)
	}
	body := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, uint64(n)), 0)
	if _, err = d.f.Ask(SetLogBase, -1, body, l.fd); err == nil { // 8 bytes or 16, devices differ
		err = d.logging(true)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// StopLog ends it.
func (d *Driver) StopLog(l *DirtyLog) error {
	defer l.close()
	return d.logging(false)
}

func (d *Driver) logging(on bool) error {
	f := d.features
	if on {
		f |= FeatureLogAll
	}
	if err := d.f.DoU64(SetFeatures, f); err != nil {
		return err
	}
	for _, q := range d.queues {
		if err := d.setAddr(q, on); err != nil {
			return err
		}
	}
	return nil
}

// Take gives the addresses of the pages that were written since the last time.
func (l *DirtyLog) Take() (pages []uint64) {
	for i := range words(l.bits) {
		w := atomic.SwapUint32(&words(l.bits)[i], 0)
		for bit := range uint64(32) {
			if w>>bit&1 != 0 {
				pages = append(pages, (uint64(i)*32+bit)*pageSize)
			}
		}
	}
	return pages
}

func (l *DirtyLog) close() {
	unix.Close(l.fd)
	unmap(l.bits)
}
