//go:build linux

package vring

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

const logSize = (guestHigh + guestRegion) / 4096 / 8

func newLog(t testing.TB, size, offset uint64) (*dirtyLog, int) {
	t.Helper()
	fd := memfd(t, int64(offset+size))
	d, err := newDirtyLog(fd, size, offset)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	return d, fd
}

// readLog is the log as the front-end sees it.
func readLog(t fataler, fd int, size, offset uint64) []byte {
	b := make([]byte, size)
	if n, err := unix.Pread(fd, b, int64(offset)); err != nil || n != len(b) {
		t.Fatalf("read the log: %d, %v", n, err)
	}
	return b
}

func TestDirtyMark(t *testing.T) {
	const pages, offset = 320, 4096 + 8
	d, fd := newLog(t, pages/8, offset)
	rapid.Check(t, func(t *rapid.T) {
		clear(d.log)
		want := make([]byte, pages/8)
		for range rapid.IntRange(1, 5).Draw(t, "marks") {
			gpa := rapid.Uint64Range(0, pages<<12+9000).Draw(t, "gpa")
			n := rapid.Uint64Range(0, 1<<rapid.IntRange(0, 21).Draw(t, "scale")).Draw(t, "n")
			d.mark(gpa, n)
			for p := range uint64(pages) {
				if n > 0 && p<<12 < gpa+n && (p+1)<<12 > gpa {
					want[p/8] |= 1 << (p % 8)
				}
			}
		}
		if got := readLog(t, fd, pages/8, offset); !bytes.Equal(got, want) {
			t.Fatalf("log %x, want %x", got, want)
		}
	})
	clear(d.log)
	d.mark(math.MaxUint64, 1)
	d.mark(math.MaxUint64, math.MaxUint64)
	d.mark(pages<<12, math.MaxUint64-pages<<12)
	if got := readLog(t, fd, pages/8, offset); !bytes.Equal(got, make([]byte, pages/8)) {
		t.Errorf("marks beyond the log set %x", got)
	}
}

// TestDirtyThreads: threads set bits of one word while the front-end takes them. A thread's bit has been taken when it is
// set again, so each mark is seen once.
func TestDirtyThreads(t *testing.T) {
	d, _ := newLog(t, 8, 0)
	const threads, rounds = 4, 400_000
	var wg sync.WaitGroup
	var seen [threads][threads]int
	start := make(chan struct{})
	for i := range threads {
		wg.Go(func() {
			<-start
			var mine [threads]int
			for range rounds {
				d.mark(uint64(i)<<12, 1)
				w := word(d.log, 0).Swap(0) // as the front-end does
				for p := range mine {
					mine[p] += int(w >> p & 1)
				}
			}
			seen[i] = mine
		})
	}
	close(start)
	wg.Wait()
	for p := range threads {
		n := 0
		for i := range threads {
			n += seen[i][p]
		}
		if n != rounds {
			t.Errorf("page %d was marked %d times and seen %d times", p, rounds, n)
		}
	}
	if w := word(d.log, 0).Load(); w != 0 {
		t.Errorf("%#x is left", w)
	}
}

func TestDirtyRefused(t *testing.T) {
	fd := memfd(t, 8192)
	for _, c := range []struct{ size, offset uint64 }{
		{0, 0},
		{8193, 0},
		{8192, 8},
		{6, 0},
		{8, 2},
		{8, math.MaxUint64 - 3},
		{math.MaxUint64 - 3, 8},
		{1 << 40, 0},
		{8, 1 << 63},
	} {
		if d, err := newDirtyLog(fd, c.size, c.offset); err == nil {
			d.close()
			t.Errorf("a log of %d bytes at %d was accepted", c.size, c.offset)
		}
	}
	if _, err := newDirtyLog(-1, 8, 0); err == nil {
		t.Error("a bad descriptor was accepted")
	}
}

// TestDirtyQueue has a device serve chains and compares all of the guest's memory before and after each step: a page that
// changed is in the log, and so are few others.
func TestDirtyQueue(t *testing.T) {
	for _, packed := range []bool{false, true} {
		for _, eventIdx := range []bool{false, true} {
			t.Run(fmt.Sprintf("packed=%v,event=%v", packed, eventIdx), func(t *testing.T) {
				g := newGuest(t)
				c := ringConfig(512, packed, eventIdx, true) // descriptors and used ring have several pages
				log, fd := newLog(t, logSize, 0)
				c.dirty, c.logUsed = log, c.used-guestUVA
				d := newDrv(g, c)
				q, err := newVirtq(g.m, c)
				if err != nil {
					t.Fatal(err)
				}
				rnd := rand.New(rand.NewPCG(3, 4))
				before := make([]byte, len(g.all))
				stamp := make([]byte, 9000)
				for i := range 120 {
					for range rnd.IntN(4) {
						at := guestHigh + uint64(rnd.IntN(64))*9001
						d.add([]segment{{at, 10, false}, {at + 10, uint32(rnd.IntN(8000)), true}, {guestMid - 5000 + uint64(rnd.IntN(5000)), 5000, true}}, rnd.IntN(4))
					}
					d.publish()
					clear(log.log)
					copy(before, g.all)
					for k := range stamp {
						stamp[k] = byte(i)
					}
					pages := serveAll(t, q, stamp)
					wantLogged(t, g, before, readLog(t, fd, logSize, 0), pages)
					clear(log.log) // what comes now is written anew
					copy(before, g.all)
					q.flush()
					if q.await() {
						t.Fatal("a chain came from nowhere")
					}
					wantLogged(t, g, before, readLog(t, fd, logSize, 0), 4)
					for {
						if _, _, _, ok := d.collect(t); !ok {
							break
						}
					}
				}
				q.setDirty(nil, 0)
				clear(log.log)
				d.add([]segment{{guestHigh, 8, true}}, 1)
				d.publish()
				serveAll(t, q, stamp)
				q.flush()
				if got := readLog(t, fd, logSize, 0); !bytes.Equal(got, make([]byte, logSize)) {
					t.Error("a queue without a log marked pages")
				}
			})
		}
	}
}

// serveAll answers all chains with bytes of stamp, not flushed, and says how many pages it has touched at most.
func serveAll(t *testing.T, q *virtq, stamp []byte) (pages int) {
	t.Helper()
	var c chain
	for {
		q.suppress()
		ok, err := q.pop(&c)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		n := min(len(stamp), int(c.outLen))
		c.copyOut(stamp[:n])
		q.dirtied(c.out, uint32(n))
		q.push(c.head, c.descs, uint32(n))
		pages += n/4096 + 5
	}
	return pages + 3
}

func wantLogged(t *testing.T, g *guest, before, log []byte, limit int) {
	t.Helper()
	marked := 0
	for _, b := range log {
		for ; b != 0; b &= b - 1 {
			marked++
		}
	}
	if marked > limit {
		t.Fatalf("%d pages are marked, at most %d were written", marked, limit)
	}
	for _, r := range guestTable {
		for off := uint64(0); off < r.Size; off += 4096 {
			page := (r.GPA + off) >> 12
			from, to := r.Offset+off, r.Offset+off+4096
			if !bytes.Equal(before[from:to], g.all[from:to]) && log[page/8]>>(page%8)&1 == 0 {
				t.Fatalf("guest page %#x was written and is not in the log", page<<12)
			}
		}
	}
}
