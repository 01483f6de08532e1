package ring

import (
	"fmt"
	"math"
	"syscall"
)

// RegisterPersonality keeps the calling thread's credentials of this moment under an id for SQE.SetPersonality: it
// costs 14 ns an operation, where a switch of the thread's ids costs 2 us. Ids are never 0. ENOSPC or ENOMEM: too many.
//
// Preconditions: the thread has switched its own ids (raw setfsuid and so on, not syscall.Setuid, which changes the
// whole process), and switches back afterwards.
func (r *Ring) RegisterPersonality() (uint16, error) {
	id, errno := sysRegister(r.fd, RegPersonality, nil, 0)
	if errno != 0 {
		return 0, registerError("the thread's credentials", "5.6", errno)
	}
	if id <= 0 || id > math.MaxUint16 {
		return 0, fmt.Errorf("ring: register the thread's credentials: id %d: %w", id, syscall.EOVERFLOW)
	}
	return uint16(id), nil
}

// UnregisterPersonality forgets one; operations in flight keep it.
func (r *Ring) UnregisterPersonality(id uint16) error {
	if _, errno := sysRegister(r.fd, RegUnregPersonality, nil, uint32(id)); errno != 0 {
		return fmt.Errorf("ring: unregister personality %d: %w", id, errno)
	}
	return nil
}
