//go:build linux

package vring

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMemoryLookup(t *testing.T) {
	g := newGuest(t)
	for _, r := range guestTable {
		for _, c := range []struct {
			off, n uint64
			inside bool
		}{
			{0, 1, true},
			{0, r.Size, true},
			{r.Size - 1, 1, true},
			{0, 0, false},
			{0, r.Size + 1, false},
			{r.Size - 1, 2, false},
			{1, math.MaxUint64, false},
			{r.Size / 2, math.MaxUint64 - r.GPA, false},
		} {
			for name, b := range map[string][]byte{"bytes": g.m.bytes(r.GPA+c.off, c.n), "user": g.m.user(r.UVA+c.off, c.n)} {
				if !c.inside {
					if b != nil {
						t.Errorf("%s: %d bytes at %#x+%#x gave %d bytes", name, c.n, r.GPA, c.off, len(b))
					}
					continue
				}
				if uint64(len(b)) != c.n {
					t.Errorf("%s: %d bytes at %#x+%#x gave %d", name, c.n, r.GPA, c.off, len(b))
					continue
				}
				b[0]++
				if want := g.all[r.Offset+c.off]; b[0] != want {
					t.Errorf("%s: %#x+%#x is not that byte of the file", name, r.GPA, c.off)
				}
				if got := g.m.guest(address(b)); got == nil || got.GPA != r.GPA {
					t.Errorf("guest: %#x+%#x is in %+v", r.GPA, c.off, got)
				}
			}
		}
	}
	for _, gpa := range []uint64{0, guestLow - 1, guestMid + guestRegion, guestHigh - 1, guestHigh + guestRegion, math.MaxUint64} {
		if g.m.bytes(gpa, 1) != nil || g.m.user(guestUVA+gpa, 1) != nil {
			t.Errorf("%#x is no guest memory", gpa)
		}
	}
}

func TestMemoryRefused(t *testing.T) {
	const size = 1 << 16
	fd := memfd(t, size)
	base := Region{GPA: 1 << 20, Size: size, UVA: 1 << 40}
	for _, c := range []struct {
		name string
		r    Region
	}{
		{"size 0", Region{GPA: 0, UVA: 0}},
		{"the guest address wraps", Region{GPA: math.MaxUint64 - 10, Size: 20}},
		{"the front-end address wraps", Region{UVA: math.MaxUint64 - 10, Size: 20}},
		{"the offset wraps", Region{Offset: math.MaxUint64 - 10, Size: 20}},
		{"the offset is negative", Region{Offset: math.MaxInt64, Size: 1}},
		{"all of it", Region{Size: math.MaxUint64}},
		{"half of it", Region{Size: 1 << 63}},
		{"the file ends before", Region{Size: size + 1}},
		{"the file ends before, by the offset", Region{Offset: 1, Size: size}},
		{"guest addresses overlap at the end", Region{GPA: base.GPA + size - 1, Size: 10}},
		{"guest addresses overlap at the start", Region{GPA: base.GPA - 9, Size: 10}},
		{"the same guest addresses", Region{GPA: base.GPA, Size: size}},
		{"front-end addresses overlap", Region{UVA: base.UVA + 5, Size: 1}},
	} {
		m, err := mapMemory([]Region{base, c.r}, []int{fd, fd})
		if err == nil {
			m.release()
			t.Errorf("%s: accepted", c.name)
		}
		if short := new(shortFileError); strings.Contains(c.name, "the file ends") != errors.As(err, &short) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := mapMemory([]Region{base}, nil); err == nil {
		t.Error("a region without a descriptor was accepted")
	}
	if _, err := mapMemory([]Region{base}, []int{-1}); err == nil {
		t.Error("a bad descriptor was accepted")
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if _, err := mapMemory([]Region{base}, pipe[:1]); err == nil {
		t.Error("a pipe was accepted")
	}
	unix.Close(pipe[0])
	unix.Close(pipe[1])
	readOnly, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mapMemory([]Region{base}, []int{readOnly}); err == nil {
		t.Error("a descriptor for reading was accepted")
	}
	unix.Close(readOnly)
	wantMapped(t, fd, 0)
}

// wantMapped counts the areas of fd's file that are mapped.
func wantMapped(t *testing.T, fd, want int) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), fmt.Sprintf(" %d ", st.Ino)); n != want {
		t.Errorf("%d areas of the file are mapped, want %d", n, want)
	}
}

func TestMemoryVersions(t *testing.T) {
	fd := memfd(t, 1<<16)
	// The parts lie apart in the file, so that areas which meet in memory stay two.
	a, b, c := Region{GPA: 0, Size: 4096, UVA: 1 << 30}, Region{GPA: 1 << 20, Size: 4096, UVA: 2 << 30, Offset: 8192}, Region{GPA: 4096, Size: 4096, UVA: 3 << 30, Offset: 16384}
	one, err := mapMemory([]Region{b, a}, []int{fd, fd})
	if err != nil {
		t.Fatal(err)
	}
	two, err := one.with(c, fd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.with(c, fd); err == nil {
		t.Error("the same region was added twice")
	}
	three, err := two.without(a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := three.without(a); err == nil {
		t.Error("a region was removed twice")
	}
	if _, err := three.without(Region{GPA: b.GPA, Size: b.Size, UVA: b.UVA + 1}); err == nil {
		t.Error("a region was removed under another address")
	}
	wantMapped(t, fd, 3)
	if one.bytes(c.GPA, 1) != nil || three.bytes(a.GPA, 1) != nil {
		t.Error("a version has a region that it should not have")
	}
	if address(one.bytes(b.GPA, 1)) != address(three.bytes(b.GPA, 1)) {
		t.Error("versions map a region twice")
	}
	one.release()
	wantMapped(t, fd, 3)
	two.release()
	wantMapped(t, fd, 2) // a has gone
	three.bytes(c.GPA, 1)[0] = 1
	three.release()
	wantMapped(t, fd, 0)
}

func TestMemoryLimit(t *testing.T) {
	fd := memfd(t, 4096)
	region := func(i int) Region { return Region{GPA: uint64(i) << 12, Size: 4096, UVA: 1<<40 + uint64(i)<<12} }
	m, err := mapMemory(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	order := make([]int, maxRegions)
	for i := range order {
		order[i] = i * 200 % maxRegions // each once: 509 is a prime
	}
	for _, i := range order {
		next, err := m.with(region(i), fd)
		if err != nil {
			t.Fatal(err)
		}
		m.release()
		m = next
	}
	defer m.release()
	if _, err := m.with(region(maxRegions), fd); err == nil {
		t.Errorf("%d regions were accepted", maxRegions+1)
	}
	if !slices.IsSortedFunc(m.regions, func(a, b *mapping) int { return int(int64(a.GPA) - int64(b.GPA)) }) {
		t.Error("the regions are not sorted")
	}
	for i := range maxRegions {
		if r := m.find(uint64(i)<<12 + 4095); r == nil || r.GPA != uint64(i)<<12 {
			t.Fatalf("region %d was not found: %+v", i, r)
		}
	}
}

// TestMemoryHuge maps a part of a huge page, which mmap refuses unless it is made whole. No page is touched: there may
// be none.
func TestMemoryHuge(t *testing.T) {
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC|unix.MFD_HUGETLB)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		t.Fatal(err)
	}
	page := uint64(fs.Bsize)
	if err := unix.Ftruncate(fd, 4*fs.Bsize); err != nil {
		t.Fatal(err)
	}
	m, err := mapMemory([]Region{{GPA: 0, Size: page, UVA: 0, Offset: page + page/2}}, []int{fd})
	if err != nil {
		t.Fatal(err)
	}
	if r := m.regions[0]; uint64(r.n) != 2*page || uint64(r.host-r.base) != page/2 {
		t.Errorf("mapped %d bytes, the region starts at %d", r.n, r.host-r.base)
	}
	m.revoke()
	m.release()
	wantMapped(t, fd, 0)
}

// faults says at which address f touches memory that is not there.
func faults(f func()) (addr uintptr, is bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			addr, is = v.(interface{ Addr() uintptr }).Addr(), true
		}
	}()
	f()
	return 0, false
}

func TestRevoke(t *testing.T) {
	fd := memfd(t, 8192)
	m, err := mapMemory([]Region{{Size: 8192}}, []int{fd})
	if err != nil {
		t.Fatal(err)
	}
	b := m.bytes(0, 8192)
	b[4096] = 1
	if err := m.revoke(); err != nil {
		t.Fatal(err)
	}
	if at, is := faults(func() { b[4096] = 2 }); !is || at != address(b)+4096 {
		t.Errorf("a store after revoke: fault %v at %#x", is, at)
	}
	if _, err := unix.Pread(fd, b[:1], 0); !errors.Is(err, unix.EFAULT) {
		t.Errorf("a read into it after revoke: %v", err)
	}
	var got [1]byte
	if _, err := unix.Pread(fd, got[:], 4096); err != nil || got[0] != 1 {
		t.Errorf("the file has %d, %v", got[0], err)
	}
	m.release()
	if _, err := unix.Pread(fd, b[:1], 0); !errors.Is(err, unix.EFAULT) {
		t.Errorf("a read into it after release: %v", err)
	}
}

// TestTruncated takes the file away under a queue: the access faults, and Go can recover from it.
func TestTruncated(t *testing.T) {
	for _, packed := range []bool{false, true} {
		g := newGuest(t)
		c := ringConfig(16, packed, true, true)
		d := newDrv(g, c)
		q, err := newVirtq(g.m, c)
		if err != nil {
			t.Fatal(err)
		}
		d.add([]segment{{guestHigh, 8, false}, {guestHigh + 8, 8, true}}, 2)
		d.publish()
		var ch chain
		if ok, err := q.pop(&ch); !ok || err != nil {
			t.Fatalf("pop: %v, %v", ok, err)
		}
		if err := unix.Ftruncate(g.fd, 0); err != nil {
			t.Fatal(err)
		}
		for name, f := range map[string]func(){
			"pop":     func() { _, _ = q.pop(new(chain)) },
			"copyIn":  func() { ch.copyIn(make([]byte, 8)) },
			"copyOut": func() { ch.copyOut(make([]byte, 8)) },
			"push":    func() { q.push(ch.head, ch.descs, 8) },
			"await":   func() { q.await() },
		} {
			if _, is := faults(f); !is {
				t.Errorf("packed %v: %s does not fault", packed, name)
			}
		}
	}
}
