package vfs

import (
	"testing"

	"github.com/fastfsd/fastfsd/abi"
)

// tiny is a file system with a root and one file, "f", key 7, which counts its references.
type tiny struct {
	refs, opens, destroyed int
	inline                 bool
}

func (t *tiny) Root() Key    { return 1 }
func (t *tiny) Inline() bool { return t.inline }
func (t *tiny) Destroy()     { t.destroyed++ }

func (t *tiny) Lookup(_ *Op, _ Key, name Name, out *Entry) Errno {
	if string(name) == "panic" {
		panic("lookup")
	}
	if string(name) != "f" {
		return ENOENT
	}
	t.refs++
	out.Key = 7
	return OK
}

func (t *tiny) Getattr(_ *Op, k Key, f *Open, out *Stat) Errno {
	out.Attr.Ino = uint64(k)
	if f != nil {
		out.Attr.Size = uint64(f.H)
	}
	return OK
}

func (t *tiny) Open(_ *Op, _ Key, _ *abi.OpenIn, out *Opened) Errno {
	t.opens++
	out.H = 42
	return OK
}

func (t *tiny) Release(f Open, _ uint32, _ uint64) {
	if f != (Open{7, 42}) {
		panic("release of a file that was never opened")
	}
	t.opens--
}

func (t *tiny) Forget(k Key, n uint64) {
	if k == 7 {
		t.refs -= int(n)
	}
}

// peer plays the kernel over HandleMessage.
type peer struct {
	t      testing.TB
	c      *Conn
	unique uint64
}

func newPeer(t testing.TB, fs any, o Options) *peer {
	c, err := NewConn(Resolve(fs), o)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, c: c}
	in := abi.InitIn{Major: 7, Minor: 45, Flags: ^uint32(0), Flags2: ^uint32(0)}
	if e, _ := p.send(abi.OpInit, 0, abi.Bytes(&in)); e != OK {
		t.Fatal("init:", e)
	}
	return p
}

func (p *peer) send(op abi.Opcode, node uint64, parts ...[]byte) (Errno, []byte) {
	p.unique += 2
	h := abi.InHeader{Len: abi.HeaderSize, Opcode: op, Unique: p.unique, NodeID: node}
	for _, b := range parts {
		h.Len += uint32(len(b))
	}
	msg := append([]byte(nil), abi.Bytes(&h)...)
	for _, b := range parts {
		msg = append(msg, b...)
	}
	out := make([]byte, 8192)
	n := p.c.HandleMessage(msg, out)
	if n == 0 {
		return OK, nil
	}
	var oh abi.OutHeader
	abi.Decode(&oh, out)
	if oh.Unique != p.unique || int(oh.Len) != n {
		p.t.Fatalf("%v: reply header %+v, %d bytes", op, oh, n)
	}
	return Errno(-oh.Error), out[abi.OutHeaderSize:n]
}

func (p *peer) lookup(name string) (Errno, uint64) {
	e, b := p.send(abi.OpLookup, 1, []byte(name+"\x00"))
	var out abi.EntryOut
	abi.Decode(&out, b)
	return e, out.NodeID
}

func (p *peer) forget(node, n uint64) {
	p.send(abi.OpForget, node, abi.Bytes(&abi.ForgetIn{Nlookup: n}))
}

func TestReferencesComeBack(t *testing.T) {
	for _, inline := range []bool{true, false} {
		fs := &tiny{inline: inline}
		p := newPeer(t, fs, Options{Poison: true})
		_, id := p.lookup("f")
		if e, id2 := p.lookup("f"); e != OK || id2 != id || id == 0 {
			t.Fatal("second lookup:", e, id, id2)
		}
		e, b := p.send(abi.OpOpen, id, abi.Bytes(&abi.OpenIn{}))
		var o abi.OpenOut
		if e != OK || !abi.Decode(&o, b) {
			t.Fatal("open:", e)
		}
		p.forget(id, 1<<40) // more than there are
		if e, _ := p.send(abi.OpGetattr, id, abi.Bytes(&abi.GetattrIn{})); e != ESTALE {
			t.Fatal("getattr of a forgotten node:", e)
		}
		// The handle keeps its node: RELEASE works, and Forget comes after Release.
		if e, _ := p.send(abi.OpRelease, id, abi.Bytes(&abi.ReleaseIn{Fh: o.Fh})); e != OK {
			t.Fatal("release:", e)
		}
		if e, _ := p.send(abi.OpRelease, id, abi.Bytes(&abi.ReleaseIn{Fh: o.Fh})); e != EBADF {
			t.Fatal("second release:", e)
		}
		p.c.Shutdown()
		<-p.c.Done()
		if fs.refs != 0 || fs.opens != 0 || fs.destroyed != 1 {
			t.Fatalf("inline %v: %d references, %d opens left, destroyed %d times", inline, fs.refs, fs.opens, fs.destroyed)
		}
	}
}

func TestPanicIsTheCallersEIO(t *testing.T) {
	p := newPeer(t, &tiny{inline: true}, Options{})
	if e, _ := p.lookup("panic"); e != EIO {
		t.Fatal(e)
	}
	if e, _ := p.lookup("f"); e != OK || p.c.Panics.Load() != 1 {
		t.Fatal("after the panic:", e, p.c.Panics.Load())
	}
}

func TestOldIDsAreStale(t *testing.T) {
	p := newPeer(t, &tiny{inline: true}, Options{})
	_, id := p.lookup("f")
	p.forget(id, 1)
	_, id2 := p.lookup("f")
	if id2 == id {
		t.Fatal("the id of a forgotten node was used again")
	}
	q := newPeer(t, &tiny{inline: true}, Options{})
	q.lookup("f")
	if e, _ := q.send(abi.OpGetattr, id2, abi.Bytes(&abi.GetattrIn{})); e != ESTALE {
		t.Fatal("an id of another life:", e)
	}
}

// flusher is a root that has Flush; its files belong to a file system that has not.
type flusher struct{ tiny }

func (*flusher) Flush(*Op, Open, *abi.FlushIn) Errno { return OK }

func TestMissingIsForLifeOnlyWhereTheRootLacksIt(t *testing.T) {
	file := Resolve(&tiny{inline: true})
	for _, c := range []struct {
		root any
		o    Options
		want Errno
	}{
		{&tiny{inline: true}, Options{}, ENOSYS},
		{&tiny{inline: true}, Options{Composite: true}, OK},
		{&flusher{tiny{inline: true}}, Options{}, OK},
	} {
		root := Resolve(c.root).Clone()
		look := root.Lookup
		root.Lookup = func(op *Op, k Key, n Name, out *Entry) Errno {
			e := look(op, k, n, out)
			out.FS = file
			return e
		}
		p := newPeer(t, tabled{root}, c.o)
		_, id := p.lookup("f")
		_, b := p.send(abi.OpOpen, id, abi.Bytes(&abi.OpenIn{}))
		var o abi.OpenOut
		abi.Decode(&o, b)
		if e, _ := p.send(abi.OpFlush, id, abi.Bytes(&abi.FlushIn{Fh: o.Fh})); e != c.want {
			t.Errorf("FLUSH: %v, want %v", e, c.want)
		}
	}
}

// tabled is a resolved table as a file system.
type tabled struct{ o *Ops }

func (t tabled) Ops() *Ops { return t.o }

// A kernel leaves OPEN out when it has been told once that there is none.
func TestNoOpen(t *testing.T) {
	for _, none := range []bool{false, true} {
		fs := &tiny{inline: true}
		p := newPeer(t, fs, Options{NoOpen: none, NoOpendir: none, LocalLocks: true})
		_, id := p.lookup("f")
		want := OK
		if none {
			want = ENOSYS
		}
		for node, code := range map[uint64]abi.Opcode{id: abi.OpOpen, abi.RootID: abi.OpOpendir} {
			if e, _ := p.send(code, node, abi.Bytes(&abi.OpenIn{})); e != want {
				t.Errorf("%v: %v, want %v", code, e, want)
			}
		}
		if none && fs.opens != 0 {
			t.Error("the file system was asked")
		}
	}
}

// Under writeback a missing name stays missing for as long as it takes to make it.
func TestMissingUnderWriteback(t *testing.T) {
	for _, writeback := range []bool{false, true} {
		p := newPeer(t, &tiny{inline: true}, Options{Writeback: writeback})
		e, b := p.send(abi.OpLookup, abi.RootID, []byte("missing\x00"))
		var out abi.EntryOut
		abi.Decode(&out, b)
		switch {
		case !writeback && e != ENOENT:
			t.Error(e)
		case writeback && (e != OK || out.NodeID != 0 || out.EntryValid == 0):
			t.Errorf("%v, node %x, holds for %d s", e, out.NodeID, out.EntryValid)
		}
	}
}
