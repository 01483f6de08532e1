package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"structs"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// maxBufRing is the kernel's limit of entries of a buffer ring.
const maxBufRing = 1 << 15

// bufReg is struct io_uring_buf_reg.
type bufReg struct {
	_       structs.HostLayout
	addr    uint64
	entries uint32
	bgid    uint16
	flags   uint16
	resv    [3]uint64
}

// bufEntry is struct io_uring_buf. In entry 0 the kernel reads resv as the ring's tail.
type bufEntry struct {
	_    structs.HostLayout
	addr uint64
	n    uint32
	bid  uint16
	resv uint16
}

var (
	_ [40]byte = [unsafe.Sizeof(bufReg{})]byte{}
	_ [16]byte = [unsafe.Sizeof(bufEntry{})]byte{}
)

// BufRing is a group of buffers from which the kernel takes one when an operation with SetBufGroup has data (5.19).
// A completion says which one (CQE.BufferID); it is the caller's until it is added again. It belongs to the ring's
// owner thread.
type BufRing struct {
	ring  *Ring
	mem   []byte
	group uint16
	mask  uint16
	tail  uint16 // next entry to fill; published by Advance
	bid0  uint16 // the buffer in entry 0, which shares a word with the tail
}

// NewBufRing registers an empty buffer ring as group g. entries is a power of two, at most 32768.
func (r *Ring) NewBufRing(entries uint32, g uint16) (*BufRing, error) {
	if entries > maxBufRing || bits.OnesCount32(entries) != 1 {
		return nil, fmt.Errorf("ring: buffer ring: %d entries: %w: want a power of two, at most %d", entries, syscall.EINVAL, maxBufRing)
	}
	mem, err := AllocPopulated(int(entries) * int(unsafe.Sizeof(bufEntry{})))
	if err != nil {
		return nil, err
	}
	arg := bufReg{addr: uint64(Addr(mem)), entries: entries, bgid: g}
	if _, errno := sysRegister(r.fd, RegPbufRing, unsafe.Pointer(&arg), 1); errno != 0 {
		return nil, errors.Join(registerError(fmt.Sprintf("buffer ring of group %d", g), "5.19", errno), Free(mem))
	}
	return &BufRing{ring: r, mem: mem, group: g, mask: uint16(entries - 1)}, nil
}

// Group is the group's number.
func (b *BufRing) Group() uint16 { return b.group }

// Add gives the kernel buffer bid: n bytes at addr, outside the Go heap. The kernel sees it after Advance.
// Preconditions: fewer buffers are in the ring than it has entries.
func (b *BufRing) Add(addr uintptr, n uint32, bid uint16) {
	i := b.tail & b.mask
	// Safety: i is masked to the number of entries allocated. resv is not written: in entry 0 it is the tail.
	e := (*bufEntry)(unsafe.Add(unsafe.Pointer(&b.mem[0]), uintptr(i)*unsafe.Sizeof(bufEntry{})))
	e.addr, e.n = uint64(addr), n
	if i == 0 {
		b.bid0 = bid // written together with the tail
	} else {
		e.bid = bid
	}
	b.tail++
}

// Advance publishes what was added. The tail is 16 bits wide, and Go has no 16-bit atomic store: so the 32-bit word
// is stored that also holds entry 0's buffer id, which only we write.
func (b *BufRing) Advance() {
	var w [4]byte
	binary.NativeEndian.PutUint16(w[:2], b.bid0)
	binary.NativeEndian.PutUint16(w[2:], b.tail)
	// Safety: bid of entry 0 is at offset 12 of page aligned memory.
	p := (*atomic.Uint32)(unsafe.Pointer(&b.mem[unsafe.Offsetof(bufEntry{}.bid)]))
	p.Store(binary.NativeEndian.Uint32(w[:]))
}

// Close unregisters the group and frees the ring (not the buffers). It comes before the Close of the Ring, and after
// the operations that use the group have ended.
func (b *BufRing) Close() error {
	if b.mem == nil {
		return nil
	}
	arg := bufReg{bgid: b.group}
	var err error
	if _, errno := sysRegister(b.ring.fd, RegUnregPbufRing, unsafe.Pointer(&arg), 1); errno != 0 {
		err = fmt.Errorf("ring: unregister buffer ring of group %d: %w", b.group, errno)
	}
	mem := b.mem
	b.mem = nil
	return errors.Join(err, Free(mem))
}
