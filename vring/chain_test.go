//go:build linux

package vring

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// TestChain compares copies and skips with the same on a plain slice.
func TestChain(t *testing.T) {
	g := newGuest(t)
	at := func(off uint64) uintptr { return address(g.m.bytes(guestHigh+off, 1)) }
	rapid.Check(t, func(t *rapid.T) {
		var c chain
		var want []byte
		sizes := rapid.SliceOfN(rapid.IntRange(1, 20), 0, 6).Draw(t, "sizes")
		for i, n := range sizes {
			b := g.at(guestHigh+uint64(i)*32, n)
			for k := range b {
				b[k] = byte(i*32 + k)
			}
			c.in = piece(c.in, at(uint64(i)*32), uintptr(n), false)
			c.out = piece(c.out, at(4096+uint64(i)*32), uintptr(n), false)
			want = append(want, b...)
		}
		c.inLen, c.outLen = uint32(len(want)), uint32(len(want))
		for range 3 {
			skip := rapid.IntRange(0, 30).Draw(t, "skip")
			c.skipIn(uint32(skip))
			c.skipOut(uint32(skip))
			want = want[min(skip, len(want)):]
			if int(c.inLen) != len(want) || int(c.outLen) != len(want) {
				t.Fatalf("after skip: %d and %d bytes, want %d", c.inLen, c.outLen, len(want))
			}
			room := make([]byte, rapid.IntRange(0, 80).Draw(t, "room"))
			n := c.copyIn(room)
			if !bytes.Equal(room[:n], want[:min(len(room), len(want))]) {
				t.Fatalf("copyIn of %d bytes: %x, want %x", len(room), room[:n], want)
			}
			if k := c.copyOut(room[:n]); k != n {
				t.Fatalf("copyOut: %d of %d", k, n)
			}
			out := chain{in: c.out, inLen: c.outLen}
			back := make([]byte, n)
			if k := out.copyIn(back); k != n || !bytes.Equal(back, room[:n]) {
				t.Fatalf("copyOut wrote %x, want %x", back[:k], room[:n])
			}
		}
	})
}

// TestPiece: what lies together is one piece, unless a region begins.
func TestPiece(t *testing.T) {
	v := piece(nil, 4096, 8, true)
	v = piece(v, 4104, 8, false)
	v = piece(v, 4112, 8, true)
	v = piece(v, 4128, 8, false)
	if len(v) != 3 || v[0].Base != 4096 || v[0].Len != 16 || v[1].Base != 4112 || v[1].Len != 8 || v[2].Base != 4128 {
		t.Errorf("pieces %+v", v)
	}
}
