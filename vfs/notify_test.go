package vfs

import (
	"sync/atomic"
	"testing"

	"github.com/fastfsd/fastfsd/abi"
)

// nosy asks in GETATTR and FORGET whether it serves.
type nosy struct {
	inline               bool
	direct, deep, beside bool // what GETATTR heard
	forget               atomic.Bool
}

func (n *nosy) Inline() bool { return n.inline }

func (n *nosy) Lookup(_ *Op, _ Key, _ Name, out *Entry) Errno {
	out.Key = 7
	return OK
}

func (n *nosy) Getattr(*Op, Key, *Open, *Stat) Errno {
	n.direct, n.deep = Serving(), below(1000)
	done := make(chan bool)
	go func() { done <- Serving() }()
	n.beside = <-done
	return OK
}

func (n *nosy) Forget(Key, uint64) { n.forget.Store(Serving()) }

func below(depth int) bool {
	if depth == 0 {
		return Serving()
	}
	return below(depth-1) && depth > 0 // more than a tail call
}

// TestServing: a back-end's methods serve, however deep in them the question is asked; what they start besides does not.
func TestServing(t *testing.T) {
	if Serving() {
		t.Error("a test serves")
	}
	for _, inline := range []bool{true, false} {
		n := &nosy{inline: inline}
		p := newPeer(t, n, Options{})
		_, id := p.lookup("f")
		p.send(abi.OpGetattr, id, abi.Bytes(&abi.GetattrIn{}))
		if !n.direct || !n.deep || n.beside {
			t.Errorf("inline %v: in a method %v, deep in it %v, in its goroutine %v", inline, n.direct, n.deep, n.beside)
		}
		p.forget(id, 1)
		p.c.Shutdown()
		<-p.c.Done()
		if !n.forget.Load() {
			t.Errorf("inline %v: Forget does not serve", inline)
		}
	}
}
