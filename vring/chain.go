//go:build linux

package vring

import "github.com/fastfsd/fastfsd/ring"

// chain is one request of the driver: what the device may read, then what it may write, as host addresses. Contiguous
// pieces of one region are one Iovec. pop fills it in; a chain that is used again keeps its arrays.
type chain struct {
	head          uint16 // its name in push
	descs         uint16 // descriptors of the ring that it takes
	in, out       []ring.Iovec
	inLen, outLen uint32

	inRoom, outRoom []ring.Iovec // the arrays of in and out, from their start
	writing         bool         // a descriptor for writing was there
}

func (c *chain) reset() {
	c.head, c.descs, c.inLen, c.outLen, c.writing = 0, 0, 0, 0, false
	c.in, c.out = c.inRoom[:0], c.outRoom[:0]
}

// copyIn copies the first bytes of in, each once, and says how many there were.
func (c *chain) copyIn(to []byte) int {
	n := 0
	for _, v := range c.in {
		if n == len(to) {
			break
		}
		n += copy(to[n:], memory(v))
	}
	return n
}

// copyOut copies from to the first bytes of out and says how many there was room for.
func (c *chain) copyOut(from []byte) int {
	n := 0
	for _, v := range c.out {
		if n == len(from) {
			break
		}
		n += copy(memory(v), from[n:])
	}
	return n
}

// skipIn drops the first n bytes of in.
func (c *chain) skipIn(n uint32) {
	c.in, c.inLen = skip(c.in, c.inLen, n)
}

// skipOut drops the first n bytes of out.
func (c *chain) skipOut(n uint32) {
	c.out, c.outLen = skip(c.out, c.outLen, n)
}

func skip(v []ring.Iovec, have, n uint32) ([]ring.Iovec, uint32) {
	n = min(n, have)
	have -= n
	for n > 0 {
		if uintptr(n) < v[0].Len {
			v[0].Base += uintptr(n)
			v[0].Len -= uintptr(n)
			break
		}
		n -= uint32(v[0].Len)
		v = v[1:]
	}
	return v, have
}

// piece adds n bytes at base, which is not the first byte of a region if it may continue what is there.
func piece(v []ring.Iovec, base, n uintptr, first bool) []ring.Iovec {
	if k := len(v) - 1; k >= 0 && !first && v[k].Base+v[k].Len == base {
		v[k].Len += n
		return v
	}
	return append(v, ring.Iovec{Base: base, Len: n})
}
