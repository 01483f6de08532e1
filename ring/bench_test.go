//go:build linux

package ring

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// BenchmarkNop is the price of the ring itself: ns per entry, by how many go in at once.
func BenchmarkNop(b *testing.B) {
	for name, c := range map[string]Config{
		"sqe64": {}, "sqe128": {Flags: SetupSQE128}, "sqe128,cqe32": {Flags: SetupSQE128 | SetupCQE32},
		"sqe128,restricted": {Flags: SetupSQE128, Restrictions: &Restrictions{Ops: []Op{OpNop, OpRead, OpWrite, OpUringCmd}}},
	} {
		for _, batch := range []int{1, 8, 32, 128} {
			b.Run(fmt.Sprintf("%s/batch=%d", name, batch), func(b *testing.B) {
				c.Entries, c.Flags = 128, c.Flags|loopFlags
				r := newRing(b, c)
				if err := r.RegisterRingFd(); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for i := 0; i < b.N; i += batch {
					for range batch {
						r.Get().Nop()
					}
					if n, err := r.Submit(); n != batch || err != nil {
						b.Fatal(n, err)
					}
					r.Advance(r.Ready())
				}
			})
		}
	}
}

// BenchmarkEventfd is a write and a read of an eventfd, both through the ring.
func BenchmarkEventfd(b *testing.B) {
	r, fd, mem := newRing(b, Config{Flags: loopFlags}), eventfd(b), alloc4k(b)
	if err := r.RegisterRingFd(); err != nil {
		b.Fatal(err)
	}
	a := Addr(mem)
	binary.NativeEndian.PutUint64(mem, 1)
	b.ReportAllocs()
	for range b.N {
		r.Get().Write(fd, a, 8, 0)
		r.Get().Read(fd, a+8, 8, 0)
		if n, err := r.Submit(); n != 2 || err != nil {
			b.Fatal(n, err)
		}
		for r.Ready() < 2 {
			if _, err := r.SubmitAndWait(2, -1); err != nil {
				b.Fatal(err)
			}
		}
		r.Advance(2)
	}
}

// BenchmarkMessageSelf is SendMsgRing and its completion, without another thread to wake.
func BenchmarkMessageSelf(b *testing.B) {
	r := newRing(b, Config{Flags: loopFlags})
	b.ReportAllocs()
	for range b.N {
		if err := SendMsgRing(r.Fd(), 1, 0); err != nil {
			b.Fatal(err)
		}
		for r.Ready() == 0 {
			if _, err := r.Submit(); err != nil {
				b.Fatal(err)
			}
		}
		r.Advance(1)
	}
}
