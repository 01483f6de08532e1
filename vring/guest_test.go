//go:build linux

package vring

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// The test guest's memory: one memfd, of which three regions show parts. Two are neighbours for the guest but not in the
// file, between the second and the third is a hole. The rings lie at the start of the first.
const (
	guestRegion = 1 << 20
	guestFile   = 3 * guestRegion
	guestLow    = 0x10_0000 // first region, at file offset 0
	guestMid    = guestLow + guestRegion
	guestHigh   = 0x1_0000_0000
	guestUVA    = 0x7f00_0000_0000 // front-end address of guest address 0
)

var guestTable = []Region{
	{GPA: guestHigh, Size: guestRegion, UVA: guestUVA + guestHigh, Offset: guestRegion},
	{GPA: guestLow, Size: guestRegion, UVA: guestUVA + guestLow, Offset: 0},
	{GPA: guestMid, Size: guestRegion, UVA: guestUVA + guestMid, Offset: 2 * guestRegion},
}

// guest is what the tests' driver sees: its own mapping of the file.
type guest struct {
	fd  int
	all []byte
	m   *Memory
}

func memfd(t testing.TB, size int64) int {
	t.Helper()
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Ftruncate(fd, size); err != nil {
		t.Fatal(err)
	}
	return fd
}

func newGuest(t testing.TB) *guest {
	t.Helper()
	g := &guest{fd: memfd(t, guestFile)}
	base, err := mapShared(g.fd, 0, guestFile)
	if err != nil {
		t.Fatal(err)
	}
	g.all = view(base, guestFile)
	if g.m, err = mapMemory(guestTable, []int{g.fd, g.fd, g.fd}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.m.release()
		if err := unmap(base, guestFile); err != nil {
			t.Error(err)
		}
	})
	return g
}

// at is the guest's own view of n bytes, which lie in one region.
func (g *guest) at(gpa uint64, n int) []byte {
	for _, r := range guestTable {
		if gpa >= r.GPA && gpa < r.GPA+r.Size {
			off := r.Offset + gpa - r.GPA
			return g.all[off : off+uint64(n)]
		}
	}
	panic("the test's driver uses memory that its guest does not have")
}

// segment is a descriptor as the tests' driver makes it.
type segment struct {
	gpa   uint64
	n     uint32
	write bool
}

// contents is what the guest sees in the segments for reading, or those for writing.
func (g *guest) contents(ss []segment, write bool) []byte {
	var all []byte
	for _, s := range ss {
		if s.write != write {
			continue
		}
		for n := uint64(0); n < uint64(s.n); n++ {
			all = append(all, g.at(s.gpa+n, 1)...)
		}
	}
	return all
}

// same says whether the chain is the segments: the bytes to read are the same, and bytes written arrive in order.
func (g *guest) same(t fataler, c *chain, ss []segment, stamp byte) {
	t.Helper()
	in := make([]byte, c.inLen)
	if n := c.copyIn(in); n != len(in) {
		t.Fatalf("copyIn gave %d of %d bytes", n, len(in))
	}
	if want := g.contents(ss, false); !bytes.Equal(in, want) {
		t.Fatalf("the chain reads %d bytes, the driver wrote %d others: %x, want %x", len(in), len(want), in, want)
	}
	out := make([]byte, c.outLen)
	for i := range out {
		out[i] = stamp + byte(i)
	}
	if n := c.copyOut(out); n != len(out) {
		t.Fatalf("copyOut took %d of %d bytes", n, len(out))
	}
	if got := g.contents(ss, true); !bytes.Equal(got, out) {
		t.Fatalf("the driver sees %d bytes: %x, the device wrote %x", len(got), got, out)
	}
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// ringConfig puts the rings of a queue at the start of the guest's memory.
func ringConfig(size uint32, packed, eventIdx, indirect bool) virtqConfig {
	return virtqConfig{
		size: size, desc: guestUVA + guestLow, avail: guestUVA + guestLow + 0x8_0000, used: guestUVA + guestLow + 0xa_0000,
		packed: packed, eventIdx: eventIdx, indirect: indirect, base: ringBase(packed),
	}
}

func ringBase(packed bool) uint32 {
	if packed {
		return 1<<15 | 1<<31 // both wrap counters start at 1
	}
	return 0
}

// putDesc writes a descriptor of a split queue.
func putDesc(b []byte, addr uint64, n uint32, flags, next uint16) {
	binary.LittleEndian.PutUint64(b, addr)
	binary.LittleEndian.PutUint32(b[8:], n)
	binary.LittleEndian.PutUint16(b[12:], flags)
	binary.LittleEndian.PutUint16(b[14:], next)
}
