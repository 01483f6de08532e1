package ring

import (
	"fmt"
	"runtime"
	"structs"
	"syscall"
	"unsafe"
)

// ringFdUpdate is struct io_uring_rsrc_update as IORING_REGISTER_RING_FDS uses it.
type ringFdUpdate struct {
	_            structs.HostLayout
	offset, resv uint32
	data         uint64
}

// RegisterRingFd lets enter find the ring without a look-up of the descriptor (5.18). A thread has 16 such slots; Close
// gives this one back. EBUSY: the slots are taken.
func (r *Ring) RegisterRingFd() error {
	if r.ringFdTid != 0 {
		return nil
	}
	up := ringFdUpdate{offset: noRegisteredRingIndex, data: uint64(r.fd)}
	if _, errno := sysRegister(r.fd, RegRingFds, unsafe.Pointer(&up), 1); errno != 0 {
		return registerError("the ring's descriptor", "5.18", errno)
	}
	r.enterFd, r.enterFlags, r.ringFdTid = int(up.offset), enterRegisteredRing, gettid()
	return nil
}

// unregisterRingFd frees the slot, which closing the descriptor does not. The table is the calling thread's: on another
// thread the same index is somebody else's ring, so it is left alone.
func (r *Ring) unregisterRingFd() error {
	if r.ringFdTid == 0 {
		return nil
	}
	up := ringFdUpdate{offset: uint32(r.enterFd)}
	tid := r.ringFdTid
	r.enterFd, r.enterFlags, r.ringFdTid = r.fd, 0, 0
	if tid != gettid() {
		return nil
	}
	if _, errno := sysRegister(r.fd, RegUnregRingFds, unsafe.Pointer(&up), 1); errno != 0 {
		return registerError("the release of the ring's descriptor", "5.18", errno)
	}
	return nil
}

// registerError names what could not be registered. EINVAL is what a kernel says to an operation it does not know, but
// to a bad argument as well, so the release decides.
func registerError(what, since string, errno syscall.Errno) error {
	if errno == syscall.ENOSYS || errno == syscall.EINVAL && releaseBefore(sysRelease(), since) {
		return &UnsupportedError{"registering " + what, since}
	}
	return fmt.Errorf("ring: register %s: %w", what, errno)
}

// SendMsgRing posts a completion with this user data and result into the ring behind ringFd, from a thread which needs
// no ring of its own (6.13): the way to wake a loop. It may be called from any thread and does not sleep.
//
// Errors: an UnsupportedError; EBADF; EBADFD (no ring, or a disabled one); EOVERFLOW (the target's queue is full).
func SendMsgRing(ringFd int, userData uint64, res int32) error {
	var s SQE
	s.MsgRing(int32(ringFd), userData, res)
	errno := sysRegisterRaw(-1, RegSendMsgRing, unsafe.Pointer(&s), 1)
	runtime.KeepAlive(&s)
	switch errno {
	case 0:
		return nil
	case syscall.EINVAL, syscall.ENOSYS:
		// The entry is well formed, so EINVAL is the kernel not knowing the operation.
		return &UnsupportedError{"a message to a ring from a thread without one", "6.13"}
	}
	return fmt.Errorf("ring: message to ring %d: %w", ringFd, errno)
}
