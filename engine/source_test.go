//go:build linux

package engine

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/ring"
)

// counter is a source with an eventfd, of which it reads each value once.
type counter struct {
	t    *testing.T
	id   uint32
	fd   int
	buf  []byte // 8 bytes outside the Go heap
	tag  uint32 // of the READ in flight
	got  uint64
	busy bool
}

// Complete implements Source.
func (c *counter) Complete(_ *Loop, tag uint32, res int32, _ uint32) {
	if tag != c.tag || res != 8 || !c.busy {
		c.t.Errorf("source %d: completion %d with %d, want %d with 8 (%v)", c.id, tag, res, c.tag, c.busy)
	}
	c.got, c.busy = binary.NativeEndian.Uint64(c.buf), false
}

// read has the value read that the event has got, or will get.
func (c *counter) read(l *Loop, tag uint32) {
	c.tag, c.busy = tag, true
	l.SQE().Read(int32(c.fd), ring.Addr(c.buf), 8, 0).SetUserData(Data(c.id, tag))
}

// TestSources: sources that come and go at random each get their own completions, and no other's.
func TestSources(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	e, _ := newEngine(t, Config{Loops: 1, Pool: 1})
	l := e.Loops()[0]
	mem, err := ring.Alloc(block)
	if err != nil {
		t.Fatal(err)
	}
	var all []*counter
	for i := range 12 {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &counter{t: t, fd: fd, buf: mem[8*i : 8*i+8]})
	}
	for range 3000 {
		c := all[r.IntN(len(all))]
		switch {
		case c.id == 0:
			on(t, l, func(l *Loop) error { c.id = l.Attach(c); return nil })
		case r.IntN(3) == 0:
			on(t, l, func(l *Loop) error { l.Detach(c.id); c.id = 0; return nil })
		default:
			sent := 1 + r.Uint64()>>2
			signal(t, c, l, r.Uint32(), sent, r.IntN(2) == 0)
			eventually(t, "the completion", func() (done bool) {
				on(t, l, func(*Loop) error { done = !c.busy; return nil })
				return done
			})
			if c.got != sent {
				t.Fatalf("source %d has read %d, %d was sent", c.id, c.got, sent)
			}
		}
	}
	on(t, l, func(l *Loop) error {
		if n := len(l.sources); n > len(all)+1 {
			t.Errorf("%d ids for %d sources", n, len(all))
		}
		for _, c := range all {
			if c.id != 0 {
				l.Detach(c.id)
			}
		}
		if l.live != 0 {
			t.Errorf("%d sources are left", l.live)
		}
		return nil
	})
	for _, c := range all {
		unix.Close(c.fd)
	}
	if err := ring.Free(mem); err != nil {
		t.Error(err)
	}
}

// signal sends a value to a source before or after it is read.
func signal(t *testing.T, c *counter, l *Loop, tag uint32, value uint64, first bool) {
	t.Helper()
	send := func() {
		var b [8]byte
		binary.NativeEndian.PutUint64(b[:], value)
		if _, err := unix.Write(c.fd, b[:]); err != nil {
			t.Fatal(err)
		}
	}
	if first {
		send()
	}
	on(t, l, func(l *Loop) error { c.read(l, tag); return nil })
	if !first {
		send()
	}
}

// TestManySubmissions: more than the submission queue holds, in one call.
func TestManySubmissions(t *testing.T) {
	e, _ := newEngine(t, Config{Loops: 1, Pool: 1})
	const n = 10*ringEntries + 7
	got := results{}
	on(t, e.Loops()[0], func(l *Loop) error {
		id := l.Attach(got)
		for i := range uint32(n) {
			l.SQE().Read(-1, 0, 0, 0).SetUserData(Data(id, i))
		}
		return nil
	})
	on(t, e.Loops()[0], func(l *Loop) error { l.Detach(1); return nil })
	if len(got) != n {
		t.Errorf("%d of %d completions came", len(got), n)
	}
}

// TestCompletionsBeforeCalls: a call finds handled what had completed when it was made.
func TestCompletionsBeforeCalls(t *testing.T) {
	e, _ := newEngine(t, Config{Loops: 1, Pool: 1})
	l, got := e.Loops()[0], results{}
	var id uint32
	on(t, l, func(l *Loop) error { id = l.Attach(got); return nil })
	for n := range uint32(10 * maxTake) {
		clear(got)
		on(t, l, func(l *Loop) error {
			for i := range n {
				l.SQE().Read(-1, 0, 0, 0).SetUserData(Data(id, i))
			}
			return l.Submit()
		})
		on(t, l, func(*Loop) error {
			if len(got) != int(n) {
				t.Errorf("%d of %d completions came before the call", len(got), n)
			}
			return nil
		})
	}
	on(t, l, func(l *Loop) error { l.Detach(id); return nil })
}
