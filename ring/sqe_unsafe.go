package ring

import (
	"encoding/binary"
	"unsafe"
)

const (
	sqeSize    = 64
	cqeSize    = 16
	cmdOffset  = 48 // struct io_uring_sqe.cmd
	cmdSize128 = 80
)

// Compile-time assertions: the kernel's sizes and the offset of cmd.
var (
	_ [sqeSize]byte   = [unsafe.Sizeof(SQE{})]byte{}
	_ [cmdOffset]byte = [unsafe.Offsetof(SQE{}.Addr3)]byte{}
	_ [cqeSize]byte   = [unsafe.Sizeof(CQE{})]byte{}
)

// CmdPtr is the address of the command area of a UringCmd: 80 bytes on a SetupSQE128 ring, 16 on others. Writing more
// than that overwrites the next entry.
func (s *SQE) CmdPtr() unsafe.Pointer { return unsafe.Pointer(&s.Addr3) }

// Cmd is the 80-byte command area.
// Preconditions: s came from Get of a SetupSQE128 ring.
func (s *SQE) Cmd() []byte {
	// Safety: the SQ was mapped with a stride of 128 bytes, so 48+80 bytes belong to this entry.
	return unsafe.Slice((*byte)(unsafe.Pointer(&s.Addr3)), cmdSize128)
}

// pollWord gives poll events the half-word order the kernel wants (io_poll_parse_events: swapped on big endian).
func pollWord(ev uint32) uint32 {
	one := [2]byte{1, 0}
	if binary.NativeEndian.Uint16(one[:]) == 1 {
		return ev
	}
	return ev<<16 | ev>>16
}
