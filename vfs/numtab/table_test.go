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
			} else if tab.Remove(hash(n), n) != model[n] {
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

// TestChurn: a table that stays small does not grow, however many numbers come and go.
func TestChurn(t *testing.T) {
	hash := func(n uint32) uint64 { return uint64(n) * 0x9E3779B97F4A7C15 }
	var tab Table
	for n := uint32(1); n < 100_000; n++ {
		tab.Insert(hash(n), n, hash)
		if n > 10 && !tab.Remove(hash(n-10), n-10) {
			t.Fatalf("%d is lost", n-10)
		}
	}
	if len(tab.tab) > 64 {
		t.Errorf("%d slots for 10 numbers", len(tab.tab))
	}
}
