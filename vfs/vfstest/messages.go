package vfstest

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// Messages sends what a hostile peer may send to a writable, empty file system: each gets an errno, nothing is leaked, and later requests
// still work. newConn makes a connection on which no INIT was sent.
func Messages(t *testing.T, newConn func(t testing.TB) *vfs.Conn) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, p *Peer)
	}{
		{"header", hostileHeader},
		{"ids", hostileIDs},
		{"names", hostileNames},
		{"forget", hostileForget},
		{"read sizes", hostileReads},
		{"write sizes", hostileWrites},
		{"arguments", hostileArguments},
		{"attributes", hostileXattrs},
		{"extensions", hostileExtensions},
		{"nodes", hostileNodes},
		{"waits", hostileWaits},
		{"every opcode", everyOpcode},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPeer(t, newConn(t))
			nodes, handles := p.C.Live()
			c.run(t, p)
			p.alive()
			if n, h := p.Live(nodes, handles); n != nodes || h != handles {
				t.Errorf("%d nodes and %d handles are left, %d and %d before", n, h, nodes, handles)
			}
			p.C.Shutdown()
			<-p.C.Done()
			if p.C.LateDup.Load() != 0 || p.C.Panics.Load() != 0 {
				t.Errorf("%d double answers, %d panics", p.C.LateDup.Load(), p.C.Panics.Load())
			}
		})
	}
	t.Run("end while blocked", func(t *testing.T) { endWhileBlocked(t, newConn(t)) })
	t.Run("INIT", func(t *testing.T) { hostileInit(t, newConn) })
}

// alive makes, writes, reads and removes a file.
func (p *Peer) alive() {
	p.T.Helper()
	node, fh := p.Create(abi.RootID, "alive")
	if e, _ := p.Send(abi.OpWrite, node, abi.Bytes(&abi.WriteIn{Fh: fh, Size: 5}), []byte("hello")); e != vfs.OK {
		p.T.Error("a good WRITE:", e)
	}
	if e, b := p.Send(abi.OpRead, node, abi.Bytes(&abi.ReadIn{Fh: fh, Size: 100})); e != vfs.OK || string(b) != "hello" {
		p.T.Errorf("a good READ: %v, %q", e, b)
	}
	p.Release(node, fh)
	p.Forget(node, 1)
	if e, _ := p.Send(abi.OpUnlink, abi.RootID, CString("alive")); e != vfs.OK {
		p.T.Error("a good UNLINK:", e)
	}
}

// wantErr fails unless the answer is one of the errnos.
func wantErr(t testing.TB, what string, got vfs.Errno, want ...vfs.Errno) {
	t.Helper()
	for _, w := range want {
		if got == w {
			return
		}
	}
	t.Errorf("%s: %v (%d), want %v", what, got, int(got), want)
}

func hostileHeader(t *testing.T, p *Peer) {
	for n := range abi.HeaderSize {
		if got := p.C.HandleMessage(make([]byte, n), p.out); got != 0 {
			t.Errorf("a message of %d bytes was answered", n)
		}
	}
	for _, l := range []uint32{1, 39, 41, 4096, math.MaxUint32} {
		e, _ := p.SendHeader(abi.InHeader{Opcode: abi.OpGetattr, NodeID: abi.RootID, Len: l})
		wantErr(t, "a wrong length", e, vfs.EINVAL)
	}
	for _, op := range []abi.Opcode{0, 7, 19, 54, 4095, 4096, math.MaxUint32} {
		e, _ := p.Send(op, abi.RootID, make([]byte, 200))
		wantErr(t, op.String(), e, vfs.ENOSYS)
	}
	for op := range abi.OpMax + 1 {
		if n := abi.ArgSize(op, abi.InitSetxattrExt); n > 0 {
			e, _ := p.Send(op, abi.RootID, make([]byte, n-1))
			if e == vfs.OK && op != abi.OpForget && op != abi.OpBatchForget && op != abi.OpInterrupt && op != abi.OpNotifyReply {
				t.Errorf("%v with a short argument succeeds", op)
			}
		}
	}
	e, _ := p.SendHeader(abi.InHeader{Opcode: abi.OpGetattr, NodeID: abi.RootID, Unique: 77}, make([]byte, 16+100))
	wantErr(t, "trailing bytes", e, vfs.OK)
}

func hostileIDs(t *testing.T, p *Peer) {
	file, fh := p.Create(abi.RootID, "f")
	dir := p.Mkdir(abi.RootID, "d")
	dh := p.Opendir(dir)
	gone, _ := p.Create(abi.RootID, "gone")
	for _, id := range []uint64{0, 2, 99, math.MaxUint32, math.MaxUint64, file ^ 1<<40} {
		e, _ := p.Send(abi.OpGetattr, id, make([]byte, 16))
		wantErr(t, "GETATTR of a strange node", e, vfs.ESTALE)
		e, _ = p.Lookup(id, "x")
		wantErr(t, "LOOKUP in a strange node", e, vfs.ESTALE)
		e, _ = p.Send(abi.OpRead, file, abi.Bytes(&abi.ReadIn{Fh: id, Size: 10}))
		wantErr(t, "READ of a strange handle", e, vfs.EBADF)
	}
	e, _ := p.Lookup(file, "x")
	wantErr(t, "LOOKUP in a file", e, vfs.ENOTDIR)
	e, _ = p.Send(abi.OpRead, dir, abi.Bytes(&abi.ReadIn{Fh: fh, Size: 10}))
	wantErr(t, "a handle of another node", e, vfs.EBADF)
	e, _ = p.Send(abi.OpRead, dir, abi.Bytes(&abi.ReadIn{Fh: dh, Size: 10}))
	wantErr(t, "READ of a directory", e, vfs.EBADF)
	e, _ = p.Send(abi.OpReaddir, file, abi.Bytes(&abi.ReadIn{Fh: fh, Size: 100}))
	wantErr(t, "READDIR of a file", e, vfs.EBADF)
	e, _ = p.Send(abi.OpRename, abi.RootID, abi.Bytes(&abi.RenameIn{NewDir: 12345}), CString("f"), CString("g"))
	wantErr(t, "RENAME into nothing", e, vfs.ESTALE)
	e, _ = p.Send(abi.OpLink, abi.RootID, abi.Bytes(&abi.LinkIn{OldNodeID: 12345}), CString("g"))
	wantErr(t, "LINK of nothing", e, vfs.ESTALE)
	p.Release(file, fh)
	e, _ = p.Send(abi.OpRelease, file, abi.Bytes(&abi.ReleaseIn{Fh: fh}))
	wantErr(t, "a second RELEASE", e, vfs.EBADF)
	e, _ = p.Send(abi.OpReleasedir, dir, abi.Bytes(&abi.ReleaseIn{Fh: dh}))
	wantErr(t, "RELEASEDIR", e, vfs.OK)
	p.Forget(gone, 1)
	e, _ = p.Send(abi.OpGetattr, gone, make([]byte, 16))
	wantErr(t, "a forgotten node", e, vfs.ESTALE)
	p.dropAll(file, dir)
}

// dropAll forgets nodes and, with a DESTROY, what handles are still open.
func (p *Peer) dropAll(nodes ...uint64) {
	for _, n := range nodes {
		p.Forget(n, math.MaxUint64)
	}
	p.Send(abi.OpDestroy, 0)
}

func hostileNames(t *testing.T, p *Peer) {
	long := strings.Repeat("n", 256)
	for _, name := range []string{"", ".", "..", "a/b", "/etc/passwd", "../x", "x/..", long, strings.Repeat("n", 65536)} {
		want := []vfs.Errno{vfs.EINVAL}
		if len(name) > 255 {
			want = []vfs.Errno{vfs.ENAMETOOLONG}
		}
		e, _ := p.Lookup(abi.RootID, name)
		wantErr(t, "LOOKUP", e, want...)
		for op, arg := range map[abi.Opcode][]byte{
			abi.OpMkdir: abi.Bytes(&abi.MkdirIn{}), abi.OpMknod: abi.Bytes(&abi.MknodIn{Mode: 0o100644}),
			abi.OpUnlink: nil, abi.OpRmdir: nil, abi.OpCreate: abi.Bytes(&abi.CreateIn{}),
			abi.OpLink: abi.Bytes(&abi.LinkIn{OldNodeID: 1}),
		} {
			e, _ = p.Send(op, abi.RootID, arg, CString(name))
			wantErr(t, op.String(), e, want...)
		}
		e, _ = p.Send(abi.OpSymlink, abi.RootID, CString(name), CString("target"))
		wantErr(t, "SYMLINK", e, want...)
		e, _ = p.Send(abi.OpRename2, abi.RootID, abi.Bytes(&abi.Rename2In{NewDir: 1}), CString("f"), CString(name))
		wantErr(t, "RENAME2", e, want...)
	}
	e, _ := p.Send(abi.OpUnlink, abi.RootID, []byte("a\x00b\x00"))
	wantErr(t, "bytes behind the NUL", e, vfs.ENOENT)
	e, _ = p.Send(abi.OpLookup, abi.RootID, []byte("no end"))
	wantErr(t, "a name without NUL", e, vfs.EINVAL)
	e, _ = p.Send(abi.OpRename, abi.RootID, abi.Bytes(&abi.RenameIn{NewDir: 1}), CString("one"))
	wantErr(t, "a missing second name", e, vfs.EINVAL)
	e, _ = p.Send(abi.OpSymlink, abi.RootID, CString("l"), CString(""))
	wantErr(t, "an empty target", e, vfs.ENOENT)
	e, _ = p.Send(abi.OpSymlink, abi.RootID, CString("l"), CString(strings.Repeat("t", 4096)))
	wantErr(t, "a target of 4096 bytes", e, vfs.ENAMETOOLONG)
	e, b := p.Send(abi.OpSymlink, abi.RootID, CString("l"), CString(strings.Repeat("t", 4095)))
	wantErr(t, "a target of 4095 bytes", e, vfs.OK)
	var ent abi.EntryOut
	abi.Decode(&ent, b)
	p.Forget(ent.NodeID, 1)
}

func hostileForget(t *testing.T, p *Peer) {
	file, fh := p.Create(abi.RootID, "f")
	p.Forget(file, 0)
	p.Forget(abi.RootID, math.MaxUint64)
	p.Forget(99, 5)
	p.Forget(file, math.MaxUint64)
	p.Forget(file, 1)
	e, _ := p.Send(abi.OpRead, file, abi.Bytes(&abi.ReadIn{Fh: fh, Size: 10}))
	wantErr(t, "READ of an open file that was forgotten", e, vfs.OK)
	items := bytes.Repeat(append(abi.Bytes(&abi.ForgetOne{NodeID: file, Nlookup: 1}), abi.Bytes(&abi.ForgetOne{NodeID: 1, Nlookup: 9})...), 10)
	for _, n := range []uint32{0, 1, 20, 1 << 20, math.MaxUint32} {
		p.Send(abi.OpBatchForget, 0, abi.Bytes(&abi.BatchForgetIn{Count: n}), items)
	}
	p.Send(abi.OpBatchForget, 0, abi.Bytes(&abi.BatchForgetIn{Count: 5}))
	for _, u := range []uint64{0, 1, 2, math.MaxUint64} {
		p.Send(abi.OpInterrupt, 0, abi.Bytes(&abi.InterruptIn{Unique: u}))
	}
	p.Release(file, fh)
	if e, _ := p.Send(abi.OpGetattr, abi.RootID, make([]byte, 16)); e != vfs.OK {
		t.Error("the root was forgotten:", e)
	}
}
