//go:build linux

package driver

import (
	"sync"
	"time"

	"github.com/fastfsd/fastfsd/abi"
)

// hiprioSlot is the space of a message on the hiprio queue: up to 48 bytes, and a reply's header.
const (
	hiprioSlot  = 64
	hiprioReply = 48
)

// hiprio sends what must not wait behind requests: FORGET, one node at a time as Linux does, and INTERRUPT.
type hiprio struct {
	limit time.Duration

	mu    sync.Mutex
	q     *Queue // guarded by mu, as all below
	slots []byte
	base  Segment
	idle  []int
	byID  []int
	over  bool
	in    [2]Segment // of the message that is being sent
	out   [1]Segment

	onReply func(msg []byte) // gets replies to what was sent with room for one
	served  bool             // serve runs, and only it sleeps
	freed   sync.Cond        // serve has taken something back
}

func newHiprio(m *Memory, q *Queue, size int, limit time.Duration) (*hiprio, error) {
	b, err := m.Alloc(size*hiprioSlot, hiprioSlot)
	if err != nil {
		return nil, err
	}
	h := &hiprio{limit: limit, q: q, slots: b, base: m.Segment(b), byID: make([]int, size)}
	h.freed.L = &h.mu
	h.reset()
	return h, nil
}

// reset has all slots free again.
func (h *hiprio) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle = h.idle[:0]
	for i := range h.byID {
		h.idle = append(h.idle, i)
	}
}

func (h *hiprio) forget(node, n uint64) error {
	var msg [hiprioReply]byte
	in := abi.InHeader{Opcode: abi.OpForget, NodeID: node, Len: hiprioReply}
	arg := abi.ForgetIn{Nlookup: n}
	copy(msg[copy(msg[:], abi.Bytes(&in)):], abi.Bytes(&arg))
	return h.send(msg[:], 0)
}

// send submits a message of at most 48 bytes with room for a reply of at most 16.
func (h *hiprio) send(msg []byte, room int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.space(); err != nil {
		return err
	}
	i := h.idle[len(h.idle)-1]
	b := h.slots[i*hiprioSlot:][:hiprioSlot]
	n := copy(b[:hiprioReply], msg)
	at := h.base.Addr + uint64(i)*hiprioSlot
	h.in = [2]Segment{{at, abi.HeaderSize}, {at + abi.HeaderSize, uint32(n) - abi.HeaderSize}}
	h.out[0] = Segment{at + hiprioReply, uint32(room)}
	id, err := h.q.Submit(h.in[:], h.out[:min(room, 1)])
	if err != nil {
		return err
	}
	h.idle = h.idle[:len(h.idle)-1]
	h.byID[id] = i
	return h.q.Kick()
}

// space waits until a message can be sent. Preconditions: mu is held.
func (h *hiprio) space() error {
	for {
		if h.over {
			return ErrGone
		}
		if err := h.reap(); err != nil {
			return err
		}
		if len(h.idle) > 0 && h.q.Free() >= 3 {
			return nil
		}
		if h.served {
			h.freed.Wait()
		} else if err := h.q.Wait(h.limit); err != nil {
			return err
		}
	}
}

// reap takes back what the device is done with. Preconditions: mu is held.
func (h *hiprio) reap() error {
	for {
		id, n, ok, err := h.q.Poll()
		if err != nil || !ok {
			return err
		}
		i := h.byID[id]
		if n >= abi.OutHeaderSize && h.onReply != nil {
			h.onReply(h.slots[i*hiprioSlot:][hiprioReply:hiprioSlot])
		}
		h.idle = append(h.idle, i)
	}
}

// attend sets who gets replies, for serve.
func (h *hiprio) attend(onReply func(msg []byte)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onReply, h.served = onReply, true
}

// serve passes replies on until stop.
func (h *hiprio) serve() error {
	for {
		h.mu.Lock()
		err := h.reap()
		ready := err == nil && h.q.Arm()
		over := h.over
		h.freed.Broadcast()
		h.mu.Unlock()
		if err != nil || over {
			return err
		}
		if !ready {
			if err := h.q.Sleep(0); err != nil {
				return err
			}
		}
	}
}

// stop ends serve.
func (h *hiprio) stop() {
	h.mu.Lock()
	h.over = true
	h.freed.Broadcast()
	h.mu.Unlock()
	notify(h.q.call)
}
