package memfs

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

func newConn(t testing.TB) *vfs.Conn {
	c, err := vfs.NewConn(vfs.Resolve(New(Options{Bytes: 8 << 20, Nodes: 5000})), vfs.Options{
		Poison: true, Watchdog: 5 * time.Second,
		OnStall: func(op abi.Opcode, d time.Duration) { t.Errorf("%v waited %v on a loop", op, d) },
		OnPanic: func(op abi.Opcode, v any, stack []byte) { t.Errorf("%v: panic: %v\n%s", op, v, stack) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMessages(t *testing.T) { vfstest.Messages(t, newConn) }

func TestNoRoom(t *testing.T) {
	p := vfstest.NewPeer(t, newConn(t))
	node, fh := p.Create(abi.RootID, "f")
	data := make([]byte, 1<<20)
	var last vfs.Errno
	for i := uint64(0); i < 20 && last == vfs.OK; i++ {
		last, _ = p.Send(abi.OpWrite, node, abi.Bytes(&abi.WriteIn{Fh: fh, Size: 1 << 20, Offset: i << 20}), data)
	}
	if last != vfs.ENOSPC {
		t.Fatal("a full file system:", last)
	}
	if e, _ := p.Send(abi.OpSetattr, node, abi.Bytes(&abi.SetattrIn{Valid: abi.FattrSize})); e != vfs.OK {
		t.Fatal(e)
	}
	if e, _ := p.Send(abi.OpWrite, node, abi.Bytes(&abi.WriteIn{Fh: fh, Size: 1 << 20}), data); e != vfs.OK {
		t.Fatal("after it was emptied:", e)
	}
}

// FuzzMessage sends a sequence of messages cut out of the input: two bytes of opcode and length, then the body. No panic, no leak.
func FuzzMessage(f *testing.F) {
	f.Add([]byte("\x01\x02f\x00\x23\x18\x02\x00\x00\x00\xa4\x81\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00f\x00\x10\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := newConn(t)
		p := vfstest.NewPeer(t, c)
		for len(in) >= 3 {
			op, n := abi.Opcode(in[0]), min(int(in[1]), len(in)-3)
			node := uint64(in[2])
			body := append([]byte(nil), in[3:3+n]...)
			in = in[3+n:]
			if op == abi.OpSetlkw { // it could wait for ever
				op = abi.OpSetlk
			}
			if len(body) >= 8 && binary.NativeEndian.Uint64(body) < 4 {
				body[4] = 1
			}
			p.Send(op, node, body)
		}
		c.Shutdown()
		<-c.Done()
		if n, h := c.Live(); n != 0 || h != 0 {
			t.Fatal("left:", n, h)
		}
	})
}
