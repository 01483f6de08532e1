//go:build linux

package fusedev

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

// bootTimeout is how long INIT may take. The kernel sends it when it mounts.
const bootTimeout = 10 * time.Second

// boot answers INIT. When it returns nil, the device is in blocking mode and nobody reads it; the kernel holds every
// other request back until INIT is answered and, if that offered io_uring, until all rings are registered.
func (s *Server) boot() error {
	if err := unix.SetNonblock(s.fd, true); err != nil {
		return fmt.Errorf("/dev/fuse: %w", err)
	}
	until := time.Now().Add(bootTimeout)
	for s.conn.Negotiated().Minor == 0 {
		left := time.Until(until)
		if left <= 0 {
			return fmt.Errorf("no INIT from the kernel within %v; was this fd served before?: %w", bootTimeout, unix.ETIMEDOUT)
		}
		fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, int(left/time.Millisecond)+1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("/dev/fuse: poll: %w", err)
		}
		if fds[0].Revents == 0 {
			continue
		}
		if err := s.bootMessage(); err != nil {
			return err
		}
	}
	return unix.SetNonblock(s.fd, false)
}

// bootMessage answers one message: INIT, perhaps of a kernel with another major, which then asks again with ours.
func (s *Server) bootMessage() error {
	in := make([]byte, s.messageSize())
	out := make([]byte, s.messageSize())
	n, err := unix.Read(s.fd, in)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return fmt.Errorf("/dev/fuse: the mount went away: %w", err)
	case n < abi.HeaderSize:
		return fmt.Errorf("/dev/fuse: a message of %d bytes: %w", n, unix.EPROTO)
	}
	n = s.conn.HandleMessage(in[:n], out)
	if n == 0 {
		return nil
	}
	if _, err := unix.Write(s.fd, out[:n]); err != nil {
		return fmt.Errorf("/dev/fuse: INIT was not accepted: %w", err)
	}
	return nil
}

// messageSize holds the largest request of the classic device: header, argument and payload. The kernel wants a buffer of 8
// KiB at least.
func (s *Server) messageSize() int { return s.conn.Negotiated().Payload() + 4096 }
