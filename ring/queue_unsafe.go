package ring

import (
	"sync/atomic"
	"unsafe"
)

// queue is the arithmetic of the two rings: free-running 32-bit indexes which wrap, masks, strides. It makes no system
// call, so it works over any memory, the Go heap in tests included. Fields are immutable after setup but for tail and
// head, which are the owner's.
type queue struct {
	khead, ktail *atomic.Uint32 // SQ: the kernel moves head, we move tail
	chead, ctail *atomic.Uint32 // CQ: we move head, the kernel moves tail
	coverflow    *atomic.Uint32 // completions the kernel had to drop

	sqes, cqes       unsafe.Pointer
	sqMask, cqMask   uint32
	sqShift, cqShift uint8

	tail uint32 // next SQE to hand out; published at flush
	head uint32 // next CQE to look at
}

// get is the next zeroed SQE, nil when the SQ is full.
func (q *queue) get() *SQE {
	if q.tail-q.khead.Load() > q.sqMask {
		return nil
	}
	// Safety: the index is masked to the number of entries mapped, each 1<<sqShift bytes.
	p := unsafe.Add(q.sqes, uintptr(q.tail&q.sqMask)<<q.sqShift)
	q.tail++
	s := (*SQE)(p)
	*s = SQE{}
	if q.sqShift == 7 {
		*(*SQE)(unsafe.Add(p, sqeSize)) = SQE{}
	}
	return s
}

// pending is how many SQEs were handed out and not yet consumed by the kernel.
func (q *queue) pending() uint32 { return q.tail - q.khead.Load() }

// flush publishes the SQEs handed out and says how many the kernel has to consume. It is derived from the kernel's
// head, never from a count of ours, so calling it again after an interrupted enter cannot submit anything twice.
func (q *queue) flush() uint32 {
	q.ktail.Store(q.tail)
	return q.tail - q.khead.Load()
}

// ready is how many completions wait.
func (q *queue) ready() uint32 { return q.ctail.Load() - q.head }

// cqe is completion i of those ready.
func (q *queue) cqe(i uint32) *CQE {
	// Safety: the index is masked to the number of entries mapped, each 1<<cqShift bytes.
	return (*CQE)(unsafe.Add(q.cqes, uintptr((q.head+i)&q.cqMask)<<q.cqShift))
}

// advance gives the slots of n completions back to the kernel.
func (q *queue) advance(n uint32) {
	q.head += n
	q.chead.Store(q.head)
}
