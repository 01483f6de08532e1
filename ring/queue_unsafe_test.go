package ring

import (
	"sync/atomic"
	"testing"
	"unsafe"
)

// heapQueue is a queue over ordinary memory, whose kernel side is played by the test.
type heapQueue struct {
	queue
	words [5]atomic.Uint32
	sq    []SQE
	cq    []CQE
}

// newHeapQueue has 1<<order entries on each side and starts at the given indexes.
func newHeapQueue(order uint, wide bool, sqStart, cqStart uint32) *heapQueue {
	n, width := 1<<order, 1
	if wide {
		width = 2
	}
	h := &heapQueue{sq: make([]SQE, n*width), cq: make([]CQE, n*width)}
	w := &h.words
	h.queue = queue{
		khead: &w[0], ktail: &w[1], chead: &w[2], ctail: &w[3], coverflow: &w[4],
		sqes: unsafe.Pointer(&h.sq[0]), cqes: unsafe.Pointer(&h.cq[0]),
		sqMask: uint32(n - 1), cqMask: uint32(n - 1), sqShift: 6, cqShift: 4,
		tail: sqStart, head: cqStart,
	}
	if wide {
		h.sqShift, h.cqShift = 7, 5
	}
	w[0].Store(sqStart)
	w[1].Store(sqStart)
	w[2].Store(cqStart)
	w[3].Store(cqStart)
	return h
}

// kernel consumes at most n entries and completes each with its user data, as long as there is room.
func (h *heapQueue) kernel(n uint32) {
	for ; n > 0 && h.khead.Load() != h.ktail.Load(); n-- {
		if h.ctail.Load()-h.chead.Load() > h.cqMask {
			return
		}
		sw, cw := uint32(1)<<(h.sqShift-6), uint32(1)<<(h.cqShift-4)
		s := h.sq[(h.khead.Load()&h.sqMask)*sw]
		h.cq[(h.ctail.Load()&h.cqMask)*cw] = CQE{UserData: s.UserData, Res: int32(s.Len)}
		h.khead.Add(1)
		h.ctail.Add(1)
	}
}

// FuzzQueue drives the arithmetic from any starting index, wrapping ones included. Every byte is one turn: how many
// entries to ask for, how many the kernel takes, how many completions to reap.
func FuzzQueue(f *testing.F) {
	f.Add(uint8(3), false, uint32(0), uint32(0), []byte{0x11, 0xff, 0x7c})
	f.Add(uint8(0), true, ^uint32(0), ^uint32(0), []byte{0xff, 0xff, 0xff, 0xff})
	f.Add(uint8(4), true, ^uint32(0)-5, ^uint32(0)-20, []byte("the quick brown fox jumps over the lazy dog"))
	f.Add(uint8(2), false, uint32(1)<<31-2, ^uint32(0)-1, []byte{0xe4, 0x1b, 0xe4, 0x1b, 0xff, 0x93, 0x39})
	f.Fuzz(func(t *testing.T, order uint8, wide bool, sqStart, cqStart uint32, turns []byte) {
		h := newHeapQueue(uint(order%8), wide, sqStart, cqStart)
		size := h.sqMask + 1
		var sent, got uint64
		for _, b := range turns {
			for range uint32(b&7) * size / 4 {
				if s := h.get(); s != nil {
					if *s != (SQE{}) {
						t.Fatalf("entry %d is not zeroed", sent)
					}
					s.UserData, s.Len, s.Pad = sent, uint32(sent), ^uint64(0)
					sent++
				} else if h.pending() != size {
					t.Fatalf("no entry with %d of %d pending", h.pending(), size)
				}
			}
			if h.pending() > size || h.flush() != h.pending() {
				t.Fatalf("pending %d of %d", h.pending(), size)
			}
			h.kernel(uint32(b>>3&7) * size / 4)
			for range min(h.ready(), uint32(b>>6)*size/2) {
				if c := h.cqe(0); c.UserData != got || c.Res != int32(got) {
					t.Fatalf("completion %d at place %d", c.UserData, got)
				}
				h.advance(1)
				got++
			}
			if h.ready() > size || uint64(h.pending()+h.ready()) != sent-got {
				t.Fatalf("%d sent, %d back, %d pending, %d ready", sent, got, h.pending(), h.ready())
			}
		}
	})
}

func TestClosedQueueIsHarmless(t *testing.T) {
	q := emptyQueue()
	if q.get() != nil || q.ready() != 0 {
		t.Fatal("a closed queue gives entries or completions")
	}
}
