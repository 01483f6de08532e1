package ring

import (
	"structs"
	"unsafe"
)

// probeOp is struct io_uring_probe_op.
type probeOp struct {
	_     structs.HostLayout
	op    uint8
	resv  uint8
	flags uint16
	resv2 uint32
}

// probe is struct io_uring_probe with room for every operation there can be.
type probe struct {
	_      structs.HostLayout
	lastOp uint8
	opsLen uint8
	resv   uint16
	resv2  [3]uint32
	ops    [256]probeOp
}

var _ [16 + 256*8]byte = [unsafe.Sizeof(probe{})]byte{}

// OpSet is the operations a kernel knows.
type OpSet struct {
	last Op
	has  [256]bool
}

// Supports says whether the kernel has op.
func (s *OpSet) Supports(op Op) bool { return s.has[op] }

// Last is the newest operation the kernel knows.
func (s *OpSet) Last() Op { return s.last }

// Probe asks the kernel for its operations (5.6). A restricted ring answers EACCES: probe before, on another one.
func (r *Ring) Probe() (*OpSet, error) {
	var p probe
	if _, errno := sysRegister(r.fd, RegProbe, unsafe.Pointer(&p), uint32(len(p.ops))); errno != 0 {
		return nil, registerError("a probe of the operations", "5.6", errno)
	}
	s := &OpSet{last: p.lastOp}
	for _, o := range p.ops[:p.opsLen] {
		s.has[o.op] = o.flags&opSupported != 0
	}
	return s, nil
}
