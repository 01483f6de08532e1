package vfstest

import (
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// Peer plays the kernel over a connection, one message at a time.
type Peer struct {
	T      testing.TB
	C      *vfs.Conn
	unique uint64
	out    []byte
}

// NewPeer has INIT answered with all features offered.
func NewPeer(t testing.TB, c *vfs.Conn) *Peer {
	p := &Peer{T: t, C: c, out: make([]byte, abi.OutHeaderSize+1<<20)}
	in := abi.InitIn{Major: abi.KernelVersion, Minor: abi.KernelMinor, MaxReadahead: 128 << 10, Flags: ^uint32(0), Flags2: ^uint32(0)}
	if e, _ := p.Send(abi.OpInit, 0, abi.Bytes(&in)); e != vfs.OK {
		t.Fatal("INIT:", e)
	}
	return p
}

// Send sends a request whose body is the parts and returns the answer's errno and body. Opcodes that are never answered give OK.
func (p *Peer) Send(op abi.Opcode, node uint64, parts ...[]byte) (vfs.Errno, []byte) {
	return p.SendHeader(abi.InHeader{Opcode: op, NodeID: node}, parts...)
}

// SendHeader is Send with more of the header; Len and Unique are filled in where they are 0.
func (p *Peer) SendHeader(h abi.InHeader, parts ...[]byte) (vfs.Errno, []byte) {
	p.T.Helper()
	p.unique += 2
	if h.Unique == 0 {
		h.Unique = p.unique
	}
	n := abi.HeaderSize
	for _, b := range parts {
		n += len(b)
	}
	if h.Len == 0 {
		h.Len = uint32(n)
	}
	msg := append(make([]byte, 0, n), abi.Bytes(&h)...)
	for _, b := range parts {
		msg = append(msg, b...)
	}
	return p.raw(msg, h.Unique)
}

// Go is Send for a request that may wait: its answer comes through the channel, and unique names it for INTERRUPT.
func (p *Peer) Go(op abi.Opcode, node uint64, parts ...[]byte) (unique uint64, answer <-chan vfs.Errno) {
	p.unique += 2
	q := &Peer{T: p.T, C: p.C, out: make([]byte, 4096)}
	h := abi.InHeader{Opcode: op, NodeID: node, Unique: p.unique}
	c := make(chan vfs.Errno, 1)
	go func() {
		e, _ := q.SendHeader(h, parts...)
		c <- e
	}()
	return h.Unique, c
}

func (p *Peer) raw(msg []byte, unique uint64) (vfs.Errno, []byte) {
	p.T.Helper()
	n := p.C.HandleMessage(msg, p.out)
	if n == 0 {
		return vfs.OK, nil
	}
	var h abi.OutHeader
	abi.Decode(&h, p.out)
	if int(h.Len) != n || h.Unique != unique || h.Error > 0 || h.Error < -4095 || h.Error != 0 && n != abi.OutHeaderSize {
		p.T.Errorf("answer of %d bytes with header %+v to request %d", n, h, unique)
	}
	return vfs.Errno(-h.Error), p.out[abi.OutHeaderSize:n]
}

// Live is Conn.Live once it says what is expected, or after a while whatever it says: a back-end that is not Inline is told of a
// FORGET or RELEASE in the background.
func (p *Peer) Live(nodes, handles int) (n, h int) {
	for end := time.Now().Add(answerLimit); ; time.Sleep(time.Millisecond) {
		if n, h = p.C.Live(); n == nodes && h == handles || time.Now().After(end) {
			return n, h
		}
	}
}

// CString is a name as it goes over the wire.
func CString(s string) []byte { return append([]byte(s), 0) }

// Lookup finds a name in a directory and returns its node id.
func (p *Peer) Lookup(dir uint64, name string) (vfs.Errno, uint64) {
	p.T.Helper()
	e, b := p.Send(abi.OpLookup, dir, CString(name))
	var out abi.EntryOut
	abi.Decode(&out, b)
	return e, out.NodeID
}

// Create makes and opens a file.
func (p *Peer) Create(dir uint64, name string) (node, fh uint64) {
	p.T.Helper()
	e, b := p.Send(abi.OpCreate, dir, abi.Bytes(&abi.CreateIn{Flags: 2, Mode: 0o100644}), CString(name))
	var ent abi.EntryOut
	var open abi.OpenOut
	if e != vfs.OK || !abi.Decode(&ent, b) || !abi.Decode(&open, b[len(abi.Bytes(&ent)):]) {
		p.T.Fatalf("CREATE %s: %v, %d bytes", name, e, len(b))
	}
	return ent.NodeID, open.Fh
}

// Mkdir makes a directory.
func (p *Peer) Mkdir(dir uint64, name string) uint64 {
	p.T.Helper()
	e, b := p.Send(abi.OpMkdir, dir, abi.Bytes(&abi.MkdirIn{Mode: 0o755}), CString(name))
	var ent abi.EntryOut
	if e != vfs.OK || !abi.Decode(&ent, b) {
		p.T.Fatalf("MKDIR %s: %v", name, e)
	}
	return ent.NodeID
}

// Opendir opens a directory.
func (p *Peer) Opendir(node uint64) uint64 {
	p.T.Helper()
	e, b := p.Send(abi.OpOpendir, node, abi.Bytes(&abi.OpenIn{}))
	var open abi.OpenOut
	if e != vfs.OK || !abi.Decode(&open, b) {
		p.T.Fatal("OPENDIR:", e)
	}
	return open.Fh
}

// Release closes a file.
func (p *Peer) Release(node, fh uint64) {
	p.T.Helper()
	if e, _ := p.Send(abi.OpRelease, node, abi.Bytes(&abi.ReleaseIn{Fh: fh})); e != vfs.OK {
		p.T.Error("RELEASE:", e)
	}
}

// Forget gives n lookups back.
func (p *Peer) Forget(node, n uint64) {
	p.T.Helper()
	p.Send(abi.OpForget, node, abi.Bytes(&abi.ForgetIn{Nlookup: n}))
}
