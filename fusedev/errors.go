package fusedev

import (
	"errors"
	"strconv"
)

// Errors of Mount, Unmount and Wait, for errors.Is.
var (
	// ErrAborted: somebody cut the connection (fusectl, umount -f, a request timeout).
	ErrAborted = errors.New("the connection was aborted")
	// ErrStuck: the connection has ended but calls in the back-end do not return.
	ErrStuck = errors.New("the back-end is stuck")
	// ErrNoUring: FUSE over io_uring was asked for and the kernel does not offer it.
	ErrNoUring = errors.New("FUSE over io_uring is not available")
	// ErrNotSupported: not on this operating system.
	ErrNotSupported = errors.New("fusedev: needs Linux")
)

func fdName(fd int) string { return "/dev/fd/" + strconv.Itoa(fd) }
