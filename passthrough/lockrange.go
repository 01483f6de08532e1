//go:build linux

package passthrough

import (
	"math"
	"slices"
	"sort"
)

// lockEOF is the end of a range that has none (OFFSET_MAX).
const lockEOF = math.MaxInt64

// lockRange is a locked range of bytes, both ends included. A flock is one over the whole file.
type lockRange struct {
	start, end int64
	write      bool
	pid        uint32 // of the process that took it, as its kernel numbers it
}

func (r *lockRange) overlaps(o *lockRange) bool { return r.start <= o.end && o.start <= r.end }

// lockSet is what one owner holds of one file: sorted, disjoint; neighbours of the same kind are one range.
type lockSet []lockRange

// first is the index of the first range that ends at or behind pos.
func (s lockSet) first(pos int64) int {
	return sort.Search(len(s), func(i int) bool { return s[i].end >= pos })
}

// conflict is the first range that excludes want, or nil.
func (s lockSet) conflict(want *lockRange) *lockRange {
	for i := s.first(want.start); i < len(s) && s[i].start <= want.end; i++ {
		if s[i].write || want.write {
			return &s[i]
		}
	}
	return nil
}

// covered says whether all of r is held, of r's kind already.
func (s lockSet) covered(r *lockRange) bool {
	i := s.first(r.start)
	return i < len(s) && s[i].start <= r.start && s[i].end >= r.end && s[i].write == r.write
}

// set is s with r's bytes locked as r says, or unlocked; at most two ranges more than before. released says whether
// others may get more than before.
func (s lockSet) set(r lockRange, unlock bool) (out lockSet, released bool) {
	i := s.first(max(r.start, 1) - 1) // one that only touches r may merge
	j := i
	var add [3]lockRange
	n := 0
	var right lockRange
	hasRight := false
	for ; j < len(s) && (s[j].start <= r.end || r.end < lockEOF && s[j].start == r.end+1); j++ {
		x := s[j]
		same := !unlock && x.write == r.write
		if same {
			r.start, r.end = min(r.start, x.start), max(r.end, x.end)
			continue
		}
		if !x.overlaps(&r) { // a neighbour of the other kind stays
			if x.end < r.start {
				add[n] = x
				n++
			} else {
				right, hasRight = x, true
			}
			continue
		}
		if unlock || x.write {
			released = true
		}
		if x.start < r.start {
			add[n] = lockRange{x.start, r.start - 1, x.write, x.pid}
			n++
		}
		if x.end > r.end {
			right, hasRight = lockRange{r.end + 1, x.end, x.write, x.pid}, true
		}
	}
	if !unlock {
		add[n] = r
		n++
	}
	if hasRight {
		add[n] = right
		n++
	}
	return slices.Replace(s, i, j, add[:n]...), released
}
