package ring

import "structs"

// CQE is a completion: struct io_uring_cqe, 16 bytes. The 16 bytes that follow it on a SetupCQE32 ring are read with
// Ring.Big.
type CQE struct {
	_        structs.HostLayout
	UserData uint64
	Res      int32  // result, or a negative errno
	Flags    uint32 // CQE* bits
}

// More says that a multishot operation goes on after this completion.
func (c *CQE) More() bool { return c.Flags&CQEMore != 0 }

// BufferID is the buffer the kernel took out of a BufRing; false when it took none.
func (c *CQE) BufferID() (uint16, bool) {
	return uint16(c.Flags >> cqeBufferShift), c.Flags&CQEBuffer != 0
}
