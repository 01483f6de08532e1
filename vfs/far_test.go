package vfs

import (
	"bytes"
	"encoding/binary"
	"runtime/debug"
	"testing"

	"github.com/fastfsd/fastfsd/abi"
)

// farFS writes into memory; peeks says whether Write looks at its data argument.
type farFS struct {
	peeks bool
	got   []byte
}

func (*farFS) Inline() bool      { return true }
func (f *farFS) FarWrites() bool { return !f.peeks }

func (f *farFS) Getattr(_ *Op, _ Key, _ *Open, out *Stat) Errno {
	out.Attr = abi.Attr{Ino: 1, Mode: 0o40777, Nlink: 2}
	return OK
}

func (f *farFS) Open(*Op, Key, *abi.OpenIn, *Opened) Errno { return OK }

func (f *farFS) Write(op *Op, _ Open, _ int64, data []byte, _ *abi.WriteIn) (Payload, Errno) {
	n := len(data)
	if !f.peeks {
		data = op.Data()
	}
	f.got = append([]byte(nil), data...)
	return op.Count(n), OK
}

type farData struct {
	b       []byte
	fetched int
}

func (d *farData) Fetch() []byte { d.fetched++; return d.b }

// TestFarWrite: a WRITE whose data stays with the peer reaches both kinds of file systems, and is refused when its sizes lie.
func TestFarWrite(t *testing.T) {
	want := bytes.Repeat([]byte("far"), 1000)
	for _, peeks := range []bool{false, true} {
		fs := &farFS{peeks: peeks}
		c, err := NewConn(Resolve(fs), Options{})
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, 4096)
		call := func(o abi.Opcode, arg []byte) []byte {
			h := abi.InHeader{Len: uint32(abi.HeaderSize + len(arg)), Opcode: o, Unique: 1, NodeID: abi.RootID}
			return out[abi.OutHeaderSize:c.HandleMessage(append(append([]byte(nil), abi.Bytes(&h)...), arg...), out)]
		}
		call(abi.OpInit, abi.Bytes(&abi.InitIn{Major: abi.KernelVersion, Minor: abi.KernelMinor}))
		fh := binary.NativeEndian.Uint64(call(abi.OpOpen, abi.Bytes(&abi.OpenIn{})))
		ep := c.Epoch()
		send := func(size uint32, d *farData) (Errno, int) {
			w := abi.WriteIn{Size: size, Fh: fh}
			msg := append(append([]byte(nil), abi.Bytes(&abi.InHeader{Opcode: abi.OpWrite, Unique: 2, NodeID: abi.RootID})...), abi.Bytes(&w)...)
			h := abi.InHeader{Len: uint32(len(msg) + len(d.b)), Opcode: abi.OpWrite, Unique: 2, NodeID: abi.RootID}
			copy(msg, abi.Bytes(&h))
			op := c.NewOp(nil)
			ep.Enter()
			defer ep.Exit()
			c.LoadFar(op, msg, len(d.b), d, out)
			if v := c.Begin(op); v != Reply {
				t.Fatalf("verdict %v", v)
			}
			e, n := op.Result()
			c.Sent(op)
			return e, n
		}
		d := &farData{b: want}
		if e, _ := send(uint32(len(want)), d); e != OK || !bytes.Equal(fs.got, want) || d.fetched != 1 {
			t.Errorf("peeks %v: errno %v, %d bytes, fetched %d times", peeks, e, len(fs.got), d.fetched)
		}
		if e, _ := send(uint32(len(want))+1, d); e != EINVAL {
			t.Errorf("more than there is: %v, want EINVAL", e)
		}
		if e, _ := send(100, d); e != OK || !bytes.Equal(fs.got, want[:100]) {
			t.Errorf("less than there is: %v, %d bytes", e, len(fs.got))
		}
	}
}

// TestBlank: what stands for far data cannot be read by mistake.
func TestBlank(t *testing.T) {
	if len(blank()) == 0 {
		t.Fatal("no address space")
	}
	defer func() {
		if recover() == nil {
			t.Error("it could be read")
		}
	}()
	debug.SetPanicOnFault(true)
	_ = string(blank()[:1])
}
