//go:build linux

package vring

import "golang.org/x/sys/unix"

// nonblock makes eventfds of a front-end fit for a loop. It is never taken back: the flag is the VMM's too.
func nonblock(fds ...int) {
	for _, fd := range fds {
		if fd >= 0 {
			_ = unix.SetNonblock(fd, true)
		}
	}
}

func closeFDs(fds ...int) {
	for _, fd := range fds {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
