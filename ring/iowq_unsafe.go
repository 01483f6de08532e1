package ring

import (
	"fmt"
	"syscall"
	"unsafe"
)

// SetIOWQAffinity keeps the kernel's worker threads of this ring on the CPUs set in mask, bit c of word c/64 being CPU
// c (5.14). Without it they run where the owner thread was allowed to when they were made: on the loop's own CPU.
func (r *Ring) SetIOWQAffinity(mask []uint64) error {
	if len(mask) == 0 {
		return fmt.Errorf("ring: worker affinity: %w: no CPUs given", syscall.EINVAL)
	}
	if _, errno := sysRegister(r.fd, RegIOWQAff, unsafe.Pointer(&mask[0]), uint32(len(mask)*8)); errno != 0 {
		return registerError("the affinity of the workers", "5.14", errno)
	}
	return nil
}

// SetIOWQMaxWorkers limits the kernel's worker threads of the owner thread, bounded ones (files) and unbounded ones
// (sockets, pipes, character devices); 0 leaves a limit as it is. The result is the limits there were before (5.15).
func (r *Ring) SetIOWQMaxWorkers(bounded, unbounded uint32) (oldBounded, oldUnbounded uint32, err error) {
	v := [2]uint32{bounded, unbounded}
	if _, errno := sysRegister(r.fd, RegIOWQMaxWorkers, unsafe.Pointer(&v), uint32(len(v))); errno != 0 {
		return 0, 0, registerError("the limits of the workers", "5.15", errno)
	}
	return v[0], v[1], nil
}
