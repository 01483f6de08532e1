package ring

import (
	"fmt"
	"structs"
	"sync/atomic"
	"unsafe"
)

// params is struct io_uring_params, 120 bytes.
type params struct {
	_                                     structs.HostLayout
	sqEntries, cqEntries, flags           uint32
	sqThreadCPU, sqThreadIdle             uint32
	features, wqFd                        uint32
	resv                                  [3]uint32
	sqHead, sqTail, sqRingMask, sqRingEnt uint32
	sqFlags, sqDropped, sqArray, sqResv   uint32
	sqUserAddr                            uint64
	cqHead, cqTail, cqRingMask, cqRingEnt uint32
	cqOverflow, cqCqes, cqFlags, cqResv   uint32
	cqUserAddr                            uint64
}

// waitArg is struct io_uring_getevents_arg with the __kernel_timespec it points to. It is part of a Ring, which is on
// the Go heap and so never moves; the kernel reads it only during the call.
type waitArg struct {
	_           structs.HostLayout
	sigmask     uint64
	sigmaskSize uint32
	minWaitUsec uint32
	ts          uint64
	sec, nsec   int64
}

const waitArgSize = 24

// Compile-time assertions: the kernel's sizes.
var (
	_ [120]byte         = [unsafe.Sizeof(params{})]byte{}
	_ [waitArgSize]byte = [unsafe.Offsetof(waitArg{}.sec)]byte{}
)

func (w *waitArg) set(ns int64) {
	w.sec, w.nsec = ns/1e9, ns%1e9
	w.ts = uint64(uintptr(unsafe.Pointer(&w.sec)))
}

// mapQueues maps the two areas and points the queue into them.
func (r *Ring) mapQueues(p *params) error {
	q := &r.queue
	q.sqShift, q.cqShift = 6, 4
	if r.flags&SetupSQE128 != 0 {
		q.sqShift = 7
	}
	if r.flags&SetupCQE32 != 0 {
		q.cqShift = 5
	}
	size := int(p.cqCqes) + int(p.cqEntries)<<q.cqShift
	if r.flags&SetupNoSQArray == 0 {
		size = max(size, int(p.sqArray)+int(p.sqEntries)*4)
	}
	var err error
	if r.mem, err = sysMap(r.fd, offSQRing, size); err != nil {
		return fmt.Errorf("ring: map the queues, %d bytes: %w", size, err)
	}
	size = int(p.sqEntries) << q.sqShift
	if r.sqeMem, err = sysMap(r.fd, offSQEs, size); err != nil {
		return fmt.Errorf("ring: map the submission entries, %d bytes: %w", size, err)
	}
	// Safety: the offsets come from the kernel and lie inside the mapping of the size it implied; indexing checks it.
	word := func(off uint32) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&r.mem[off])) }
	q.khead, q.ktail = word(p.sqHead), word(p.sqTail)
	q.chead, q.ctail, q.coverflow = word(p.cqHead), word(p.cqTail), word(p.cqOverflow)
	q.sqes, q.cqes = unsafe.Pointer(&r.sqeMem[0]), unsafe.Pointer(&r.mem[p.cqCqes])
	q.sqMask, q.cqMask = p.sqEntries-1, p.cqEntries-1
	q.tail, q.head = q.ktail.Load(), q.chead.Load()
	if r.flags&SetupNoSQArray == 0 {
		for i := range p.sqEntries {
			word(p.sqArray + 4*i).Store(i)
		}
	}
	return nil
}

// Big is the second half of completion i. Preconditions: a SetupCQE32 ring, i < Ready().
func (r *Ring) Big(i uint32) *[2]uint64 {
	// Safety: the CQ was mapped with a stride of 32 bytes, so these 16 belong to this completion.
	return (*[2]uint64)(unsafe.Add(unsafe.Pointer(r.cqe(i)), cqeSize))
}

// emptyQueue is what a closed ring has: full, with nothing ready, and nothing in it points to unmapped memory.
func emptyQueue() queue {
	var w [5]atomic.Uint32
	return queue{
		khead: &w[0], ktail: &w[1], chead: &w[2], ctail: &w[3], coverflow: &w[4],
		tail: 1,
	}
}
