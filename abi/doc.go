// Package abi is the wire: the structs, opcodes and flags of FUSE 7.45 (include/uapi/linux/fuse.h, as Linux 6.18 speaks it),
// how requests are taken apart and how replies and notifications are put together.
//
// Requests are decoded from separate pieces, header, fixed argument and payload, for FUSE-over-io_uring and virtqueues hand
// them over so; [Split] makes the pieces from a contiguous message. Numbers are in host byte order, as in the kernel.
//
// Everything here is a pure function of its arguments and may be called by any thread. It imports nothing of this module.
package abi

// Versions. fastfsd offers the newest and serves peers down to the oldest.
const (
	KernelVersion = 7
	KernelMinor   = 45
	MinMinor      = 31

	RootID = 1 // node id of the root

	// UniqueResend marks the unique of a request that is sent again (FUSE_UNIQUE_RESEND).
	UniqueResend = 1 << 63
	// UniqueInterrupt is the bit that an INTERRUPT's own unique carries (FUSE_INT_REQ_BIT).
	UniqueInterrupt = 1
)
