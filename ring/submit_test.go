//go:build linux

package ring

import (
	"runtime"
	"testing"
)

// FuzzSubmit takes bytes as batch sizes: every user data comes back exactly once.
func FuzzSubmit(f *testing.F) {
	f.Add([]byte{1, 2, 3, 250, 0, 17}, uint8(0))
	f.Add([]byte{255, 255, 255, 0, 1}, uint8(1))
	f.Add([]byte("lorem ipsum"), uint8(2))
	f.Add([]byte{9, 9, 9, 64, 65, 63}, uint8(3))
	f.Fuzz(func(t *testing.T, batches []byte, shape uint8) {
		if len(batches) > 64 {
			batches = batches[:64]
		}
		flags := []uint32{0, loopFlags, loopFlags | SetupSQE128, loopFlags | SetupSQE128 | SetupCQE32}[shape%4]
		r := newRing(t, Config{Entries: 64, CQEntries: 64, Flags: flags})
		var seen []bool
		reap := func() {
			n := r.Ready()
			for i := range n {
				ud := r.CQE(i).UserData
				if ud >= uint64(len(seen)) || seen[ud] {
					t.Fatalf("user data %d came twice, or was never sent", ud)
				}
				seen[ud] = true
			}
			r.Advance(n)
		}
		submit := func() {
			if _, err := r.Submit(); err != nil {
				t.Fatal(err)
			}
		}
		for i, n := range batches {
			for range n {
				s := r.Get()
				if s == nil {
					submit()
					s = sqe(t, r)
				}
				s.Nop().SetUserData(uint64(len(seen)))
				seen = append(seen, false)
			}
			submit()
			if i%3 != 0 {
				reap()
			}
		}
		for range len(seen) + 1 {
			submit()
			reap()
		}
		for ud, ok := range seen {
			if !ok {
				t.Fatalf("user data %d of %d never came back", ud, len(seen))
			}
		}
	})
}

func TestNoAllocations(t *testing.T) {
	r := newRing(t, Config{Entries: 32, Flags: loopFlags | SetupSQE128})
	if err := r.RegisterRingFd(); err != nil {
		t.Fatal(err)
	}
	turn := func() {
		for i := range 32 {
			r.Get().Nop().SetUserData(uint64(i))
		}
		_, _ = r.Submit()
		for i := range r.Ready() {
			if r.CQE(i).Res != 0 {
				t.Fail()
			}
		}
		r.Advance(r.Ready())
		r.Get().Nop()
		_, _ = r.SubmitAndWait(1, -1)
		r.Advance(r.Ready())
		_, _ = r.SubmitAndWait(1, 1000) // runs into its limit
		_ = SendMsgRing(r.Fd(), 1, 1)
		_, _ = r.SubmitAndWait(1, 1000)
		c, _ := r.Peek()
		r.Advance(min(1, r.Ready()))
		_ = c
	}
	turn()
	// Counted over many turns: an average per turn would hide a rare allocation. The rest is the runtime's own.
	const turns, noise = 2000, 200
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range turns {
		turn()
	}
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > noise {
		t.Fatalf("%d allocations in %d turns", n, turns)
	}
}
