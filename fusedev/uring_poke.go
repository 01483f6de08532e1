//go:build linux

package fusedev

import (
	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
)

// A request that finds no free entry is queued in the kernel, and only the commit of another one fetches it: entries
// that are registered afterwards serve later requests and leave it where it is. When all entries are held by requests
// that wait for one of those queued (locks for an unlock), nothing would ever move again.
//
// So the server makes a request that it can commit at once. NOTIFY_RETRIEVE of no bytes of a regular file is answered by
// the kernel with a NOTIFY_REPLY request, which the queue of the calling CPU delivers like any other: it finds one of the
// new entries, and its commit fetches what was queued. If that is held as well, the next poke follows.

// pokeBit marks the unique ids of pokes; the kernel's own and other notifications' have it clear.
const pokeBit = 1 << 61

// dryness is the state of a queue whose entries may have run out.
type dryness struct {
	on    bool   // requests may be queued in the kernel: the entries have been few since all were free last
	pokes uint64 // so far
	said  bool   // that a poke failed
}

// poke fetches a queued request, if there is one. s is a held request: its node is one that the kernel knows.
func (q *uringQueue) poke(l *engine.Loop, s *engine.Slot) {
	if !q.dry.on || !ofRegularFile(s.Op.Opcode()) {
		return
	}
	back := l.CPU()
	if int(q.qid) != back {
		if pinTo(int(q.qid)) != nil {
			return // an offline CPU sends nothing
		}
		defer func() { _ = pinTo(back) }()
	}
	q.dry.pokes++
	unique := pokeBit | uint64(q.qid)<<40 | q.dry.pokes<<1&(1<<40-1)
	err := q.t.s.notifier.Retrieve(unique, s.Op.NodeID(), 0, 0)
	if err != nil && err != unix.ENOTCONN && !q.dry.said {
		q.dry.said = true
		q.t.s.log.Warn("a queue of FUSE over io_uring has more requests waiting than places, and the kernel refuses to move it on:"+
			" if the mount hangs, use --transport classic", "queue", q.qid, "err", err)
	}
}

// ofRegularFile says whether a request of this kind that waits is one of an open regular file: one that may wait for
// another request. The kernel retrieves from regular files only.
func ofRegularFile(o abi.Opcode) bool {
	switch o {
	case abi.OpSetlkw, abi.OpRead, abi.OpWrite, abi.OpFsync, abi.OpFallocate:
		return true
	}
	return false
}

// pinTo moves the calling thread to a CPU.
func pinTo(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return unix.SchedSetaffinity(0, &set)
}
