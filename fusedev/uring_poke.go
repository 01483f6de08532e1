//go:build linux

package fusedev

import (
	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

// pokeUnique is a bit that the kernel's own uniques, which count up from 0, do not reach.
const pokeUnique = 1 << 61

// poke makes the kernel send a request to this queue that is answered at once. A request that found no entry waits in the
// kernel until another one of its queue is committed, whatever is registered meanwhile: with all others held, only this
// commit fetches it. If what it fetches is held as well, the next poke follows.
//
// The request is NOTIFY_REPLY, what the kernel answers to FUSE_NOTIFY_RETRIEVE. It takes the queue of the CPU that asks.
// Other notifications are forbidden to a loop, for the kernel might wait for a page whose READ the loop owes; the
// root has no pages.
func (q *uringQueue) poke() {
	if q.poking {
		return
	}
	if away := int(q.qid) != q.loop.CPU(); away {
		if pinTo(int(q.qid)) != nil {
			return // offline: nobody sends from there
		}
		defer pinTo(q.loop.CPU())
	}
	q.poking = true
	q.pokes++
	unique := pokeUnique | uint64(q.qid)<<40 | q.pokes&(1<<39-1)<<1
	if err := q.t.s.notifier.Retrieve(unique, abi.RootID, 0, 0); err != nil {
		q.poking = false
		q.t.s.log.Debug("a queue could not be poked", "queue", q.qid, "err", err)
	}
}

// pinTo moves the calling thread to a CPU.
func pinTo(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return unix.SchedSetaffinity(0, &set)
}
