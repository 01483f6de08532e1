//go:build linux

package vring

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/ring"
)

const (
	// requestMax is the most that a request brings besides a WRITE's data: an attribute of 64 KiB with its name, or forgets.
	requestMax = 128 << 10
	writeHead  = abi.HeaderSize + writeIn
	writeIn    = 40 // sizeof(struct fuse_write_in)
)

// request is one chain on its way through the device: a slot of the engine and memory of ours. What the guest sends is
// copied here once, but for the data of a WRITE; what it gets is made here, but for file data, which goes straight to its memory.
type request struct {
	slot   *engine.Slot
	chain  chain
	in     []byte       // the request up to its data; outside the Go heap
	body   []byte       // of the reply; outside the Go heap, used as far as replies go
	data   []byte       // a WRITE's data, for a file system that wants to see it; nil until one does
	pieces []ring.Iovec // of the chain that the engine works on
	next   *request
}

// batchOf is how many requests get their memory in one mapping, of which a process may have 65,530.
const batchOf = 16

// moreRequests puts more requests on q's free list.
func (q *queue) moreRequests() error {
	each := requestMax + q.c.conn.MaxPayload()
	mem, err := ring.Alloc(batchOf * each)
	if err != nil {
		return err
	}
	_ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE) // of most, a few kilobytes are ever touched
	q.mem = append(q.mem, mem)
	for ; len(mem) >= each; mem = mem[each:] {
		r := &request{in: mem[:requestMax:requestMax], body: mem[requestMax:each:each]}
		r.slot = q.c.client.NewSlot(q.loop, q, uint32(len(q.all)))
		q.all = append(q.all, r)
		q.put(r)
	}
	return nil
}

// load takes the chain's request into the slot; false: it is none that could be answered.
func (r *request) load(c *connection) bool {
	n := r.chain.copyIn(r.in[:abi.HeaderSize])
	var h abi.InHeader
	if n < abi.HeaderSize || !h.Load(r.in[:n]) {
		return false
	}
	room := int64(r.chain.outLen) - abi.OutHeaderSize
	if room < 0 && !unanswered(h.Opcode) {
		return false
	}
	body := r.body[:max(0, min(room, int64(len(r.body))))]
	if h.Opcode == abi.OpWrite && h.TotalExtlen == 0 && h.Len >= writeHead && h.Len <= r.chain.inLen {
		r.chain.skipIn(abi.HeaderSize)
		r.chain.copyIn(r.in[abi.HeaderSize:writeHead])
		r.chain.skipIn(writeIn)
		c.conn.LoadFar(r.slot.Op, r.in[:writeHead], int(h.Len-writeHead), r, body)
		return true
	}
	// The length was read once; what the guest writes over it now only makes the request an invalid one.
	r.chain.skipIn(abi.HeaderSize)
	size := max(abi.HeaderSize, min(int64(h.Len), requestMax))
	n += r.chain.copyIn(r.in[abi.HeaderSize:size])
	c.conn.LoadMessage(r.slot.Op, r.in[:n], body)
	return true
}

// unanswered says whether no reply follows, so that the chain needs no room for one.
func unanswered(o abi.Opcode) bool {
	switch o {
	case abi.OpForget, abi.OpBatchForget, abi.OpInterrupt:
		return true
	}
	return false
}

// copies counts the WRITEs whose data was copied together, of all devices.
var copies atomic.Uint64

// Fetch implements vfs.Far: it copies a WRITE's data for a file system that looks at it.
func (r *request) Fetch() []byte {
	copies.Add(1)
	if r.data == nil {
		mem, err := ring.Alloc(len(r.body))
		if err != nil {
			return nil
		}
		r.data = mem
	}
	return r.data[:r.chain.copyIn(r.data)]
}

// window fills r.pieces with n bytes of v from byte from on, as far as one readv(2) takes them.
func (r *request) window(v []ring.Iovec, from, n uint32) []ring.Iovec {
	r.pieces = r.pieces[:0]
	for _, p := range v {
		if uintptr(from) >= p.Len {
			from -= uint32(p.Len)
			continue
		}
		if n == 0 || len(r.pieces) == engine.MaxPieces {
			break
		}
		p.Base += uintptr(from)
		p.Len = min(p.Len-uintptr(from), uintptr(n))
		from = 0
		n -= uint32(p.Len)
		r.pieces = append(r.pieces, p)
	}
	return r.pieces
}

// answer writes the reply to the guest's memory and says how long it is.
func (r *request) answer() uint32 {
	e, n := r.slot.Result()
	op := r.slot.Op
	if int64(r.chain.outLen) < int64(abi.OutHeaderSize+n) { // no room: what is unanswered has none, and needs none
		return 0
	}
	h := abi.OutHeader{Len: uint32(abi.OutHeaderSize + n), Error: -int32(e), Unique: op.Unique()}
	r.chain.copyOut(abi.Bytes(&h))
	if n > 0 && !r.slot.Placed() {
		from := 0
		for _, p := range r.window(r.chain.out, abi.OutHeaderSize, uint32(n)) {
			from += copy(memory(p), r.body[from:n])
		}
	}
	return h.Len
}

// freeRequests gives the memory of all requests back.
func (q *queue) freeRequests() {
	for _, r := range q.all {
		if r.data != nil {
			q.mem = append(q.mem, r.data)
		}
	}
	for _, m := range q.mem {
		if err := ring.Free(m); err != nil {
			q.c.log.Error("memory of requests", "err", err)
		}
	}
	q.all, q.mem, q.free, q.done = nil, nil, nil, nil
}
