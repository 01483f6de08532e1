//go:build linux

package engine

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/ring"
)

func (ev *event) open() (err error) {
	// without O_NONBLOCK the ring would read it on a worker thread
	if ev.fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	if ev.buf, err = ring.Alloc(8); err != nil {
		return errors.Join(err, unix.Close(ev.fd))
	}
	return nil
}

// arm has the ring read the next signal.
func (ev *event) arm(l *Loop) {
	l.SQE().Read(int32(ev.fd), ring.Addr(ev.buf), 8, 0).SetUserData(Data(0, eventData))
}

// signal wakes the loop. Any thread; one that comes too late must not write to whatever has the descriptor's number now.
func (ev *event) signal() {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	if ev.closed {
		return
	}
	one := [8]byte{1, 0, 0, 0, 0, 0, 0, 1} // not 0 on any byte order
	_, _ = unix.Write(ev.fd, one[:])       // EAGAIN: it is signalled already
}

func (ev *event) close() {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	ev.closed = true
	_ = unix.Close(ev.fd)
	_ = ring.Free(ev.buf)
}
