//go:build linux

package driver

import (
	"sync"
	"time"

	"github.com/fastfsd/fastfsd/abi"
)

// hiprioSlot is the space of a message on the hiprio queue: a header and FORGET's argument, room for a reply's header.
const hiprioSlot = 64

// hiprio sends what must not wait behind requests: FORGET, one node at a time as Linux does. Nobody waits for these.
type hiprio struct {
	limit time.Duration

	mu    sync.Mutex
	q     *Queue // guarded by mu, as all below
	slots []byte
	base  Segment
	idle  []int
	byID  []int
}

func newHiprio(m *Memory, q *Queue, size int, limit time.Duration) (*hiprio, error) {
	b, err := m.Alloc(size*hiprioSlot, hiprioSlot)
	if err != nil {
		return nil, err
	}
	h := &hiprio{limit: limit, q: q, slots: b, base: m.Segment(b), byID: make([]int, size)}
	for i := range size {
		h.idle = append(h.idle, i)
	}
	return h, nil
}

func (h *hiprio) forget(node, n uint64) error {
	in := abi.InHeader{Opcode: abi.OpForget, NodeID: node, Len: abi.HeaderSize + 8}
	arg := abi.ForgetIn{Nlookup: n}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.reap(); err != nil {
		return err
	}
	for len(h.idle) == 0 || h.q.Free() < 2 {
		if err := h.q.Wait(h.limit); err != nil {
			return err
		}
		if err := h.reap(); err != nil {
			return err
		}
	}
	i := h.idle[len(h.idle)-1]
	b := h.slots[i*hiprioSlot:]
	copy(b[copy(b, abi.Bytes(&in)):], abi.Bytes(&arg))
	at := h.base.Addr + uint64(i)*hiprioSlot
	msg := [2]Segment{{at, abi.HeaderSize}, {at + abi.HeaderSize, 8}}
	id, err := h.q.Submit(msg[:], nil)
	if err != nil {
		return err
	}
	h.idle = h.idle[:len(h.idle)-1]
	h.byID[id] = i
	return h.q.Kick()
}

// reap takes back what the device is done with.
func (h *hiprio) reap() error {
	for {
		id, _, ok, err := h.q.Poll()
		if err != nil || !ok {
			return err
		}
		h.idle = append(h.idle, h.byID[id])
	}
}
