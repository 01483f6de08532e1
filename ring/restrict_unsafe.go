package ring

import (
	"fmt"
	"structs"
	"unsafe"
)

// Restrictions is what a ring may do from Enable on, for ever. io_uring operations bypass seccomp, this is the answer.
// Anything else fails with EACCES.
type Restrictions struct {
	Ops           []Op         // operations of SQEs
	Registers     []RegisterOp // operations of io_uring_register; those of RegisterRingFd and Close are always added
	FlagsAllowed  uint8        // SQE* bits an entry may carry; 0 means none
	FlagsRequired uint8        // SQE* bits every entry must carry
}

// restriction is struct io_uring_restriction.
type restriction struct {
	_      structs.HostLayout
	opcode uint16
	value  uint8 // register op, sqe op or sqe flags
	resv   uint8
	resv2  [3]uint32
}

var _ [16]byte = [unsafe.Sizeof(restriction{})]byte{}

func (r *Ring) restrict(c *Restrictions) error {
	list := []restriction{
		{opcode: restrictSQEFlags, value: c.FlagsAllowed},
		{opcode: restrictSQEFlagsMust, value: c.FlagsRequired},
		{opcode: restrictRegisterOp, value: RegRingFds},
		{opcode: restrictRegisterOp, value: RegUnregRingFds},
	}
	for _, op := range c.Ops {
		list = append(list, restriction{opcode: restrictSQEOp, value: op})
	}
	for _, op := range c.Registers {
		list = append(list, restriction{opcode: restrictRegisterOp, value: op})
	}
	if _, errno := sysRegister(r.fd, RegRestrictions, unsafe.Pointer(&list[0]), uint32(len(list))); errno != 0 {
		return fmt.Errorf("ring: register restrictions (%d operations): %w", len(list), errno)
	}
	return nil
}

// Enable starts a ring made with SetupRDisabled; the calling thread is its owner from now on.
func (r *Ring) Enable() error {
	if _, errno := sysRegister(r.fd, RegEnableRings, nil, 0); errno != 0 {
		return fmt.Errorf("ring: enable: %w", errno)
	}
	r.owner = gettid()
	return nil
}
