package numtab

import (
	"testing"

	"pgregory.net/rapid"
)

// TestModel: a table of numbers whose hashes collide behaves like a map.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spread := rapid.Uint64Range(1, 64).Draw(t, "spread")
		hash := func(n uint32) uint64 { return uint64(n) % spread * 0x9E3779B97F4A7C15 }
		var tab Table
		model := map[uint32]bool{}
		has := func(n uint32) bool {
			p := tab.Probe(hash(n))
			for v := p.Next(); v != 0; v = p.Next() {
				if v == n {
					return true
				}
			}
			return false
		}
		number := rapid.Uint32Range(1, 200)
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			n := number.Draw(t, "n")
			if rapid.Bool().Draw(t, "insert") {
				if !model[n] {
					tab.Insert(hash(n), n, hash)
					model[n] = true
				}
			} else if tab.Remove(hash(n), n, hash) != model[n] {
				t.Fatalf("removing %d: wrong answer", n)
			} else {
				delete(model, n)
			}
			if tab.Len() != len(model) {
				t.Fatalf("%d numbers, want %d", tab.Len(), len(model))
			}
		}
		for n := uint32(1); n <= 200; n++ {
			if has(n) != model[n] {
				t.Fatalf("%d: found %v, want %v", n, has(n), model[n])
			}
		}
	})
}

// TestChurn: a table whose numbers come and go, but never are more than once, is not made again.
func TestChurn(t *testing.T) {
	hash := func(n uint32) uint64 { return uint64(n) * 0x9E3779B97F4A7C15 }
	var tab Table
	n := uint32(1)
	for ; n <= 12; n++ {
		tab.Insert(hash(n), n, hash)
	}
	made := testing.AllocsPerRun(100_000, func() {
		if !tab.Remove(hash(n-12), n-12, hash) {
			t.Fatalf("%d is lost", n-12)
		}
		tab.Insert(hash(n), n, hash)
		n++
	})
	if made != 0 || len(tab.tab) != 16 {
		t.Errorf("%v allocations a step, %d slots for 12 numbers", made, len(tab.tab))
	}
}
