package ring

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// debug makes every ring check that its owner thread is the caller.
var debug = os.Getenv("FASTFSD_DEBUG") == "1"

// Config says what New makes.
type Config struct {
	Entries      uint32        // SQEs; rounded up to a power of two by the kernel, at most 32768
	CQEntries    uint32        // CQEs; 0 means twice Entries
	Flags        uint32        // Setup* bits
	Restrictions *Restrictions // nil: none. Registered before the ring is enabled
}

// Ring is one io_uring. See the package comment for who may call what.
type Ring struct {
	queue

	fd         int // immutable
	enterFd    int // fd, or the index of the registered ring fd
	enterFlags uint32
	flags      uint32 // Setup* bits, immutable
	features   uint32 // Feat* bits, immutable
	owner      int    // tid
	ringFdTid  int    // thread whose table holds the registered ring fd

	mem, sqeMem []byte // the two mappings; keeps nothing alive, they are not Go memory
	wait        waitArg
	closed      bool
}

// Fd is the ring's descriptor, the target of MsgRing and SendMsgRing. It belongs to the ring: never close it, never
// wrap it in an os.File. It may be read from any thread.
func (r *Ring) Fd() int { return r.fd }

// Features are the Feat* bits the kernel reported. It may be read from any thread.
func (r *Ring) Features() uint32 { return r.features }

// SQEntries is the size of the submission queue.
func (r *Ring) SQEntries() uint32 { return r.sqMask + 1 }

// CQEntries is the size of the completion queue.
func (r *Ring) CQEntries() uint32 { return r.cqMask + 1 }

// Get is the next SQE, zeroed; nil when the queue is full: Submit, then try again.
func (r *Ring) Get() *SQE {
	if debug {
		r.assertOwner()
	}
	return r.get()
}

// Pending is how many SQEs the kernel has not consumed yet.
func (r *Ring) Pending() uint32 { return r.pending() }

// Ready is how many completions wait. It makes no system call; with SetupDeferTaskrun completions appear only inside
// Submit and SubmitAndWait.
func (r *Ring) Ready() uint32 { return r.ready() }

// CQE is completion i, valid until Advance. Preconditions: i < Ready().
func (r *Ring) CQE(i uint32) *CQE { return r.cqe(i) }

// Advance gives n completions back to the kernel. Preconditions: n <= Ready().
func (r *Ring) Advance(n uint32) {
	if debug {
		r.assertOwner()
		if n > r.ready() {
			panic(fmt.Sprintf("ring: advance over %d completions, %d are ready", n, r.ready()))
		}
	}
	r.advance(n)
}

// Peek is a copy of the first completion, false when there is none. It does not advance.
func (r *Ring) Peek() (CQE, bool) {
	if r.ready() == 0 {
		return CQE{}, false
	}
	return *r.cqe(0), true
}

// Dropped is how many completions the kernel lost for want of memory; any other value than 0 is a broken ring.
func (r *Ring) Dropped() uint32 { return r.coverflow.Load() }

// Submit gives the pending SQEs to the kernel and runs its task work. It waits for nothing and bypasses the Go
// scheduler. The result is how many were consumed; what was not stays pending.
//
// A full completion queue is no error while there are completions to reap: reap and submit again. With none ready the
// kernel's EAGAIN (no memory) or EBUSY is returned. EINTR is never returned.
func (r *Ring) Submit() (int, error) {
	return r.enter(r.flush(), 0, -1)
}

// SubmitAndWait is Submit followed by sleeping until n completions are ready, or ns nanoseconds have passed (negative:
// no limit; 0: Submit). It may return early, without an error: after a signal, or when fewer SQEs than pending were
// consumed. So callers look at Ready and loop. The result is how many SQEs were consumed.
//
// It tells the Go scheduler that the thread sleeps, so call it only when there is nothing else to do.
func (r *Ring) SubmitAndWait(n uint32, ns int64) (int, error) {
	if ns == 0 || n <= r.ready() {
		n = 0
	}
	return r.enter(r.flush(), n, ns)
}

// enter is the only caller of io_uring_enter(2) and holds the policy:
//
//   - With minComplete 0 the kernel never sleeps: a raw call, which keeps the goroutine's P and costs 30 ns less.
//     Otherwise the call tells the scheduler, which may then stop the world or hand the P on without waiting for us.
//   - EINTR after a raw call means that the runtime may want this goroutine preempted, and its signal came while the
//     program counter was in code that cannot be: Gosched lets it have its way. Without it a loop of raw calls holds
//     up stop-the-world until an event happens to come.
//   - EINTR resubmits nothing: the number to submit always comes from the kernel's own head (queue.flush).
//
// It is not inlined so that there is a stack check, hence a preemption point, in every turn of a caller's loop.
//
//go:noinline
func (r *Ring) enter(submit, minComplete uint32, ns int64) (int, error) {
	if r.closed {
		return 0, ErrClosed
	}
	if debug {
		r.assertOwner()
	}
	flags := r.enterFlags | enterGetEvents
	var n int
	var errno syscall.Errno
	switch {
	case minComplete == 0:
		n, errno = sysEnterRaw(r.enterFd, submit, flags)
		if errno == syscall.EINTR {
			runtime.Gosched()
		}
	case ns < 0:
		n, errno = sysEnter(r.enterFd, submit, minComplete, flags, nil)
	default:
		r.wait.set(ns)
		n, errno = sysEnter(r.enterFd, submit, minComplete, flags|enterExtArg, &r.wait)
	}
	return r.result(n, errno)
}

// result turns enter's errno into what callers see. Interruption and expiry are ordinary. A kernel that is busy with a
// full completion queue is too, as long as reaping will help.
func (r *Ring) result(n int, errno syscall.Errno) (int, error) {
	switch errno {
	case 0:
		return n, nil
	case syscall.EINTR, errTime:
		return 0, nil
	case syscall.EBUSY, syscall.EAGAIN:
		if r.ready() > 0 {
			return 0, nil
		}
	}
	return 0, errno
}

func (r *Ring) assertOwner() {
	if tid := gettid(); tid != r.owner && !r.closed {
		panic(fmt.Sprintf("ring: thread %d touches the ring of thread %d", tid, r.owner))
	}
}
