//go:build linux

package driver

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

// bridgeQueue joins an fd of /dev/fuse with a request queue. Two goroutines: one reads requests and submits them, the other waits
// for replies and writes them. The ring is guarded by mu, but for Sleep.
type bridgeQueue struct {
	b  *Bridged
	fd int
	q  *Queue

	mu     sync.Mutex
	freed  sync.Cond // a slot, or descriptors, came back; or the end has come
	idle   []*slot
	byID   []*slot // in flight
	closed bool    // no more requests are read
	over   bool    // nor replies awaited
}

func newBridgeQueue(b *Bridged, fd int, q *Queue) *bridgeQueue {
	p := &bridgeQueue{b: b, fd: fd, q: q, byID: make([]*slot, b.d.c.Size)}
	p.freed.L = &p.mu
	return p
}

// slot waits for a free one; nil: the end has come.
func (p *bridgeQueue) slot() *slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) == 0 && !p.closed {
		p.freed.Wait()
	}
	if p.closed {
		return nil
	}
	s := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return s
}

// put gives a slot back, and says that descriptors are free. The bridge's own slot is too small for /dev/fuse.
func (p *bridgeQueue) put(s *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s != p.b.own {
		p.idle = append(p.idle, s)
	}
	p.freed.Broadcast()
}

// read forwards requests until the mount is gone.
func (p *bridgeQueue) read() error {
	for {
		s := p.slot()
		if s == nil {
			return nil
		}
		n, err := p.b.dev.read(p.fd, s.in)
		if err != nil || n == 0 {
			p.put(s)
			return err
		}
		if err := p.forward(s, n); err != nil {
			return err
		}
	}
}

// forward sends a request of n bytes on its way.
func (p *bridgeQueue) forward(s *slot, n int) error {
	if !s.header.Load(s.in[:n]) || int(s.header.Len) != n {
		return fmt.Errorf("driver: /dev/fuse gave %d bytes, its header says %d", n, s.header.Len)
	}
	body := s.in[abi.HeaderSize:n]
	switch s.header.Opcode {
	case abi.OpForget, abi.OpBatchForget:
		defer p.put(s)
		return p.forget(&s.header, body)
	case abi.OpInterrupt:
		defer p.put(s)
		if !p.b.c.Interrupts {
			return nil
		}
		return p.b.d.hiprio.send(s.in[:n], abi.OutHeaderSize)
	}
	s.fd = p.fd
	return p.submit(s, n)
}

// forget: Linux's virtio-fs has one message for each node.
func (p *bridgeQueue) forget(h *abi.InHeader, body []byte) error {
	var one abi.ForgetIn
	if h.Opcode == abi.OpForget && abi.Decode(&one, body) {
		return p.b.d.hiprio.forget(h.NodeID, one.Nlookup)
	}
	var batch abi.BatchForgetIn
	if !abi.Decode(&batch, body) {
		return fmt.Errorf("driver: /dev/fuse gave a %v of %d bytes", h.Opcode, len(body))
	}
	body = body[len(abi.Bytes(&batch)):]
	for range batch.Count {
		var f abi.ForgetOne
		if !abi.Decode(&f, body) {
			return fmt.Errorf("driver: /dev/fuse gave a %v that is too short for %d nodes", h.Opcode, batch.Count)
		}
		body = body[len(abi.Bytes(&f)):]
		if err := p.b.d.hiprio.forget(f.NodeID, f.Nlookup); err != nil {
			return err
		}
	}
	return nil
}

// submit waits for descriptors if it must.
func (p *bridgeQueue) submit(s *slot, n int) error {
	room := replyRoom(s.header.Opcode, s.in[abi.HeaderSize:n])
	if room > len(s.out)-abi.OutHeaderSize {
		return fmt.Errorf("driver: /dev/fuse asks for %d bytes with %v: more than INIT allows", room, s.header.Opcode)
	}
	s.room = abi.OutHeaderSize + room
	in, out := s.cut(n, room, p.b.c.Piece)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.over {
			return nil
		}
		id, err := p.q.Submit(in, out)
		if err == nil {
			p.byID[id] = s
			return p.q.Kick()
		}
		if !errors.Is(err, ErrFull) {
			return err
		}
		p.freed.Wait()
	}
}

// complete writes replies until the end.
func (p *bridgeQueue) complete() error {
	var done []*slot
	for {
		p.mu.Lock()
		var err error
		done, err = p.reap(done[:0])
		ready := err == nil && len(done) == 0 && p.q.Arm()
		over := p.over
		p.mu.Unlock()
		switch {
		case err != nil || over:
			return err
		case len(done) > 0:
			for _, s := range done {
				p.b.reply(s)
				p.put(s)
			}
		case !ready:
			if err := p.q.Sleep(0); err != nil {
				return err
			}
		}
	}
}

// reap takes what the device is done with and checks it. Preconditions: mu is held.
func (p *bridgeQueue) reap(done []*slot) ([]*slot, error) {
	p.q.Disarm()
	for {
		id, n, ok, err := p.q.Poll()
		if err != nil || !ok {
			return done, err
		}
		s := p.byID[id]
		p.byID[id] = nil
		if s.header.Opcode == abi.OpDestroy && n == 0 { // servers that follow libfuse answer nothing
			n = uint32(copy(s.out, abi.Bytes(&abi.OutHeader{Len: abi.OutHeaderSize, Unique: s.header.Unique})))
		}
		_, err = verify(s.out, n, s.header.Unique)
		if int(n) > s.room {
			err = fmt.Errorf("%w: %d bytes where there was room for %d", ErrReply, n, s.room)
		}
		if err != nil {
			p.b.violation(fmt.Errorf("%v of node %d: %w", s.header.Opcode, s.header.NodeID, err))
			bad := abi.OutHeader{Len: abi.OutHeaderSize, Error: -int32(unix.EIO), Unique: s.header.Unique}
			copy(s.out, abi.Bytes(&bad))
		}
		done = append(done, s)
	}
}

// close ends the reader.
func (p *bridgeQueue) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.freed.Broadcast()
}

// stop ends both goroutines at their next step.
func (p *bridgeQueue) stop() {
	p.mu.Lock()
	p.closed, p.over = true, true
	p.freed.Broadcast()
	p.mu.Unlock()
	notify(p.q.call)
}
