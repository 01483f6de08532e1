package passthrough

import (
	"math/rand/v2"
	"testing"
)

// What the client sees is one number per (device, number), whatever the numbers.
func TestInodeNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var m inoMap
	root := m.space(77)
	seen := map[uint64][2]uint64{}
	for range 200_000 {
		dev := uint64(77 + r.IntN(6))
		ino := r.Uint64() >> r.IntN(64)
		if r.IntN(4) == 0 {
			ino = 1<<62 | uint64(r.IntN(4))<<inoBits | uint64(r.IntN(50)) // what the map itself would make
		}
		s := m.space(dev)
		v := m.number(s, ino)
		if v != m.number(s, ino) {
			t.Fatal("the number changes")
		}
		if s == root && ino < 1<<62 && v != ino {
			t.Fatalf("the root's file %d is shown as %d", ino, v)
		}
		if k, ok := seen[v]; ok && k != [2]uint64{dev, ino} {
			t.Fatalf("%v and %v are both %#x", k, [2]uint64{dev, ino}, v)
		}
		seen[v] = [2]uint64{dev, ino}
	}
	raw := inoMap{raw: true}
	if raw.number(raw.space(9), 1<<63|5) != 1<<63|5 {
		t.Fatal("raw numbers are not raw")
	}
}
