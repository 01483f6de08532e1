package vfs

import (
	"testing"

	"github.com/fastfsd/fastfsd/abi"
)

// nobody gets no late answers.
type nobody struct{}

func (nobody) Late(*Op) { panic("late answer") }

// request is a loaded slot that is served again and again.
func serve(c *Conn, ep *Epoch, op *Op, msg, reply []byte) Errno {
	ep.Enter()
	c.LoadMessage(op, msg, reply)
	c.Begin(op)
	e, _ := op.Result()
	c.Sent(op)
	ep.Exit()
	return e
}

func message1(op abi.Opcode, node uint64, body ...byte) []byte {
	h := abi.InHeader{Len: uint32(abi.HeaderSize + len(body)), Opcode: op, Unique: 2, NodeID: node}
	return append(append([]byte(nil), abi.Bytes(&h)...), body...)
}

func BenchmarkDispatch(b *testing.B) {
	p := newPeer(b, &tiny{inline: true}, Options{})
	_, id := p.lookup("f")
	ep, op, reply := p.c.Epoch(), p.c.NewOp(nobody{}), make([]byte, 4096)
	for name, msg := range map[string][]byte{
		"LOOKUP":  message1(abi.OpLookup, 1, 'f', 0),
		"GETATTR": message1(abi.OpGetattr, id, make([]byte, 16)...),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if e := serve(p.c, ep, op, msg, reply); e != OK {
					b.Fatal(e)
				}
			}
		})
	}
}

func TestDispatchDoesNotAllocate(t *testing.T) {
	p := newPeer(t, &tiny{inline: true}, Options{})
	_, id := p.lookup("f")
	ep, op, reply := p.c.Epoch(), p.c.NewOp(nobody{}), make([]byte, 4096)
	look, get := message1(abi.OpLookup, 1, 'f', 0), message1(abi.OpGetattr, id, make([]byte, 16)...)
	forget := message1(abi.OpForget, id, abi.Bytes(&abi.ForgetIn{Nlookup: 1})...)
	if n := testing.AllocsPerRun(1000, func() {
		serve(p.c, ep, op, look, reply)
		serve(p.c, ep, op, get, reply)
		serve(p.c, ep, op, forget, reply)
	}); n != 0 {
		t.Fatal("allocations for LOOKUP, GETATTR and FORGET:", n)
	}
}
