//go:build linux

package vring

import "golang.org/x/sys/unix"

// drainEvent resets an eventfd's counter. It does not wait.
func drainEvent(fd int) {
	var b [8]byte
	_, _ = unix.Read(fd, b[:])
}

// signalEvent raises an eventfd, if there is one. A counter at its limit says the same as one more.
func signalEvent(fd int) {
	if fd < 0 {
		return
	}
	one := [8]byte{1, 0, 0, 0, 0, 0, 0, 1} // not 0 on any byte order
	_, _ = unix.Write(fd, one[:])
}

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
