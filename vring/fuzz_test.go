//go:build linux

package vring

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/fastfsd/fastfsd/ring"
)

// The fuzzed guest has low addresses, so that random ones meet memory: two neighbours, a hole, the end of the address
// space. The rings and whatever else the input has lie in the first region.
const (
	fuzzFirst = 0x2000
	fuzzFile  = 0x4000
	fuzzAvail = 0x800
	fuzzUsed  = 0xa00
)

var fuzzTable = []Region{
	{GPA: 0, Size: fuzzFirst, UVA: 0, Offset: 0},
	{GPA: fuzzFirst, Size: 0x1000, UVA: fuzzFirst, Offset: 0x3000},
	{GPA: math.MaxUint64 - 0xfff, Size: 0x1000, UVA: 0x8000, Offset: 0x2000},
}

// fuzzConfig: the input's first byte is features, then come size and base; the rest is guest memory.
func fuzzConfig(data []byte) (c virtqConfig, rest []byte) {
	c = virtqConfig{avail: fuzzAvail, used: fuzzUsed, packed: data[0]&1 != 0, eventIdx: data[0]&2 != 0, indirect: data[0]&4 != 0}
	c.size = uint32(data[1] % 65)
	c.base = uint32(binary.LittleEndian.Uint16(data[2:]))
	c.base |= c.base << 16
	return c, data[4:]
}

// fuzzSeed lays rings out as newVirtq will find them.
func fuzzSeed(flags byte, size, base uint16, descs []desc, avail ...uint16) []byte {
	b := binary.LittleEndian.AppendUint16([]byte{flags, byte(size)}, base)
	mem := make([]byte, fuzzUsed+0x10)
	for i, d := range descs {
		if flags&1 != 0 {
			putPacked(mem[descSize*i:], d.addr, d.n, d.link, d.flags)
		} else {
			putDesc(mem[descSize*i:], d.addr, d.n, d.flags, d.link)
		}
	}
	for i, a := range avail {
		binary.LittleEndian.PutUint16(mem[fuzzAvail+2*i:], a)
	}
	return append(b, mem...)
}

// FuzzVirtq has a device serve whatever is in the guest's memory, which changes in the middle of it.
func FuzzVirtq(f *testing.F) {
	const at = 0x1000
	f.Add(fuzzSeed(0, 8, 0, []desc{{at, 40, descNext, 1}, {at + 0x100, 80, descWrite, 0}}, 0, 1, 0))
	f.Add(fuzzSeed(2, 4, 0xffff, []desc{{at, 40, descNext, 1}, {fuzzFirst - 4, 80, descWrite, 0}, {0, 0, descNext, 3}, {math.MaxUint64 - 7, 8, 0, 0}}, 0, 1, 2, 2, 0, 0, 1))
	f.Add(fuzzSeed(4, 2, 0, []desc{{16 * 8, 32, descIndirect, 0}, {}, {}, {}, {}, {}, {}, {}, {at, 40, descNext, 1}, {at, 16, descWrite, 0}}, 0, 1, 0))
	f.Add(fuzzSeed(1, 3, 1<<15, []desc{{at, 40, descNext | descAvail, 1}, {at, 80, descWrite | descAvail, 2}, {at, 0, descAvail, 3}}))
	f.Add(fuzzSeed(7, 5, 1<<15|4, []desc{{16 * 8, 32, descIndirect | descUsed, 0}, {}, {}, {}, {16 * 8, 16, descIndirect | descAvail, 9}, {}, {}, {}, {at, 40, 0, 1}, {at, 16, descWrite, 0}}))
	for _, flags := range []byte{4, 5, 6, 7} { // what must be refused, split and packed
		avail := uint16(descAvail) & -uint16(flags&1)
		base := uint16(flags&1) << 15
		f.Add(fuzzSeed(flags, 4, base, []desc{{at, 1, descNext | avail, 1}, {at, 1, descNext | avail, 2}, {at, 1, descNext | avail, 3}, {at, 1, descNext | avail, 0}}, 0, 1, 0))
		f.Add(fuzzSeed(flags, 4, base, []desc{{at, 1, descNext | descWrite | avail, 1}, {at, 1, avail, 0}}, 0, 1, 0))
		f.Add(fuzzSeed(flags, 4, base, []desc{{fuzzFirst + 0xfff, 2, avail, 0}}, 0, 1, 0))
		f.Add(fuzzSeed(flags, 4, base, []desc{{math.MaxUint64, 2, avail, 0}}, 0, 1, 0))
		f.Add(fuzzSeed(flags, 4, base, []desc{{0, 16, descIndirect | avail, 0}}, 0, 1, 0))
		f.Add(fuzzSeed(flags, 4, base, []desc{{64, 16 * 1025, descIndirect | avail, 0}}, 0, 1, 0))
		f.Add(fuzzSeed(flags, 4, base, []desc{{at, 0x1000, descNext | avail, 1}, {at, 0xfffff000, avail, 0}}, 0, 1, 0))
		f.Add(fuzzSeed(flags, 4, base, []desc{{at, 1, avail, 0}, {at, 1, avail, 0}}, 0, 2, 0, 0))
	}
	fd := memfd(f, fuzzFile)
	base, err := mapShared(fd, 0, fuzzFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := unmap(base, fuzzFile); err != nil {
			f.Error(err)
		}
	})
	m, err := mapMemory(fuzzTable, []int{fd, fd, fd})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(m.release)
	log, _ := newLog(f, 64, 0)
	guest := view(base, fuzzFile)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 4 {
			return
		}
		c, rest := fuzzConfig(data)
		c.dirty, c.logUsed = log, fuzzUsed
		clear(guest)
		copy(guest[:fuzzFirst], rest)
		q, err := newVirtq(m, c)
		if err != nil {
			return
		}
		u := &fuzzed{t: t, q: q, m: m}
		for _, half := range [][]byte{nil, rest[len(rest)/2:]} { // the second half is there at once, and once more instead of the first
			copy(guest[:fuzzFirst], half)
			u.serve()
		}
	})
}

type fuzzed struct {
	t      *testing.T
	q      *virtq
	m      *Memory
	popped []*chain // in flight
	pushed int      // since the last flush
}

// serve pops what there is, and gives back each second one at once.
func (u *fuzzed) serve() {
	u.q.suppress()
	for n := 0; ; n++ {
		c := &chain{}
		ok, err := u.q.pop(c)
		if err != nil {
			if again, err2 := u.q.pop(c); again || err2 != err {
				u.t.Fatalf("pop after %v: %v, %v", err, again, err2)
			}
			break
		}
		if !ok {
			break
		}
		if n >= int(u.q.conf.size) {
			u.t.Fatalf("%d chains from a queue of %d whose driver does nothing", n+1, u.q.conf.size)
		}
		if slices.ContainsFunc(u.popped, func(p *chain) bool { return p.head == c.head }) {
			u.t.Fatalf("chain %d is in flight twice", c.head)
		}
		u.check(c)
		if n%2 == 1 {
			u.answer(c)
		} else {
			u.popped = append(u.popped, c)
		}
	}
	if got := u.q.inFlight(); got != len(u.popped) {
		u.t.Fatalf("%d chains in flight, want %d", got, len(u.popped))
	}
	for _, c := range u.popped {
		u.answer(c)
	}
	u.popped = nil
	u.publish()
	u.q.await()
}

// check wants all of a chain inside the guest's memory.
func (u *fuzzed) check(c *chain) {
	for _, side := range []struct {
		v    []ring.Iovec
		want uint32
	}{{c.in, c.inLen}, {c.out, c.outLen}} {
		sum := uint64(0)
		for _, v := range side.v {
			r := u.m.guest(v.Base)
			if r == nil || v.Len == 0 || uint64(v.Base-r.host)+uint64(v.Len) > r.Size {
				u.t.Fatalf("a piece of %d bytes lies outside", v.Len)
			}
			sum += uint64(v.Len)
		}
		if sum != uint64(side.want) {
			u.t.Fatalf("the pieces have %d bytes, the chain %d", sum, side.want)
		}
	}
	if c.descs == 0 || uint32(c.descs) > u.q.conf.size {
		u.t.Fatalf("a chain of %d descriptors in a queue of %d", c.descs, u.q.conf.size)
	}
}

func (u *fuzzed) answer(c *chain) {
	var head [40]byte
	n := c.copyIn(head[:])
	if n != min(len(head), int(c.inLen)) {
		u.t.Fatalf("copyIn gave %d of %d bytes", n, c.inLen)
	}
	n = c.copyOut(bytes.Repeat([]byte{0xff}, 32)) // over the rings, maybe
	u.q.dirtied(c.out, uint32(n))
	u.q.push(c.head, c.descs, uint32(n))
	u.pushed++
}

// publish: the used ring's index goes on by one for each chain.
func (u *fuzzed) publish() {
	before := u.q.split.used - uint16(u.pushed)
	u.q.flush()
	if used := uint16(word(u.q.used, 0).Load() >> 16); !u.q.conf.packed && u.pushed > 0 && used != before+uint16(u.pushed) {
		u.t.Fatalf("the used index is %d, it was %d, and %d chains went back", used, before, u.pushed)
	}
	u.pushed = 0
}
