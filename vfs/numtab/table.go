// Package numtab finds numbers by a hash: the index of a slab whose entries hold the keys. It imports nothing of ours.
package numtab

// Table is open addressing with 4 bytes a slot, and no pointer for the collector to follow. The zero value is empty. Its
// users lock it.
type Table struct {
	tab  []uint32 // 0 free
	live int      // numbers
}

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
	v := p.tab[p.i]
	p.i = (p.i + 1) & p.mask
	return v
}

// Len is how many numbers the table holds.
func (t *Table) Len() int { return t.live }

// Insert adds n, which is not 0 and is not there yet. hash gives the hash of a number that is.
func (t *Table) Insert(h uint64, n uint32, hash func(uint32) uint64) {
	if (t.live+1)*4 > len(t.tab)*3 {
		t.grow(hash)
	}
	t.put(h, n)
	t.live++
}

func (t *Table) put(h uint64, n uint32) {
	mask := uint64(len(t.tab) - 1)
	i := h & mask
	for t.tab[i] != 0 {
		i = (i + 1) & mask
	}
	t.tab[i] = n
}

// Remove takes n out; false: it is not there. What stands behind it moves up, as far as its own hash allows: walks still
// find it, and numbers that come and go leave nothing behind that a new table would have to clear away.
func (t *Table) Remove(h uint64, n uint32, hash func(uint32) uint64) bool {
	if len(t.tab) == 0 {
		return false
	}
	mask := uint64(len(t.tab) - 1)
	i := h & mask
	for ; t.tab[i] != n; i = (i + 1) & mask {
		if t.tab[i] == 0 {
			return false
		}
	}
	for j := (i + 1) & mask; t.tab[j] != 0; j = (j + 1) & mask {
		if home := hash(t.tab[j]) & mask; (j-home)&mask >= (j-i)&mask {
			t.tab[i] = t.tab[j]
			i = j
		}
	}
	t.tab[i] = 0
	t.live--
	return true
}

// grow makes room for as many again.
func (t *Table) grow(hash func(uint32) uint64) {
	old := t.tab
	t.tab = make([]uint32, max(16, 2*len(old)))
	for _, v := range old {
		if v != 0 {
			t.put(hash(v), v)
		}
	}
}
