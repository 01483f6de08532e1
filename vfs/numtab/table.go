// Package numtab finds numbers by a hash: the index of a slab whose entries hold the keys. It imports nothing of ours.
package numtab

// Table is open addressing with 4 bytes a slot, and no pointer for the collector to follow. The zero value is empty. Its
// users lock it.
type Table struct {
	tab  []uint32 // 0 free, tombstone removed
	used int      // slots that are not free
	live int      // numbers
}

const tombstone = ^uint32(0)

// Probe walks the numbers that a hash may mean.
type Probe struct {
	tab     []uint32
	i, mask uint64
}

// Probe starts a walk; the table must not change meanwhile.
func (t *Table) Probe(h uint64) Probe {
	mask := uint64(len(t.tab) - 1)
	return Probe{t.tab, h & mask, mask}
}

// Next is a number whose key the caller compares; 0: there are no more.
func (p *Probe) Next() uint32 {
	if len(p.tab) == 0 {
		return 0
	}
	for {
		v := p.tab[p.i]
		if v == 0 {
			return 0
		}
		p.i = (p.i + 1) & p.mask
		if v != tombstone {
			return v
		}
	}
}

// Len is how many numbers the table holds.
func (t *Table) Len() int { return t.live }

// Insert adds n, which is neither 0 nor MaxUint32 and is not there yet. hash gives the hash of a number that is.
func (t *Table) Insert(h uint64, n uint32, hash func(uint32) uint64) {
	if (t.used+1)*4 > len(t.tab)*3 {
		t.rehash(hash)
	}
	mask := uint64(len(t.tab) - 1)
	i := h & mask
	for t.tab[i] != 0 && t.tab[i] != tombstone {
		i = (i + 1) & mask
	}
	if t.tab[i] == 0 {
		t.used++
	}
	t.tab[i] = n
	t.live++
}

// Remove takes n out; false: it is not there.
func (t *Table) Remove(h uint64, n uint32) bool {
	if len(t.tab) == 0 {
		return false
	}
	mask := uint64(len(t.tab) - 1)
	for i := h & mask; t.tab[i] != 0; i = (i + 1) & mask {
		if t.tab[i] != n {
			continue
		}
		t.live--
		if t.tab[(i+1)&mask] == 0 { // no walk goes on from here
			t.tab[i] = 0
			t.used--
		} else {
			t.tab[i] = tombstone
		}
		return true
	}
	return false
}

// rehash makes room for as many again, without the removed ones.
func (t *Table) rehash(hash func(uint32) uint64) {
	n := 16
	for n < t.live*2+2 {
		n *= 2
	}
	old := t.tab
	t.tab = make([]uint32, n)
	mask := uint64(n - 1)
	for _, v := range old {
		if v == 0 || v == tombstone {
			continue
		}
		i := hash(v) & mask
		for t.tab[i] != 0 {
			i = (i + 1) & mask
		}
		t.tab[i] = v
	}
	t.used = t.live
}
