package memfs

import (
	"testing"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

// steps are good requests on a root, two files and a directory, which mutated takes apart.
func steps(f, fh, d, dh uint64) []step {
	name := func(b []byte, names ...string) []byte {
		for _, n := range names {
			b = append(b, vfstest.CString(n)...)
		}
		return b
	}
	b := func(v []byte) []byte { return append([]byte(nil), v...) }
	const root = abi.RootID
	return []step{
		{abi.OpLookup, root, name(nil, "f")},
		{abi.OpGetattr, f, b(abi.Bytes(&abi.GetattrIn{GetattrFlags: 1, Fh: fh}))},
		{abi.OpSetattr, f, b(abi.Bytes(&abi.SetattrIn{Valid: abi.FattrSize | abi.FattrMode, Size: 5000, Mode: 0o600}))},
		{abi.OpWrite, f, append(b(abi.Bytes(&abi.WriteIn{Fh: fh, Size: 64, Offset: 4090})), make([]byte, 64)...)},
		{abi.OpRead, f, b(abi.Bytes(&abi.ReadIn{Fh: fh, Size: 4096}))},
		{abi.OpFallocate, f, b(abi.Bytes(&abi.FallocateIn{Fh: fh, Length: 4096, Mode: 3}))},
		{abi.OpLseek, f, b(abi.Bytes(&abi.LseekIn{Fh: fh, Whence: 3}))},
		{abi.OpCopyFileRange, f, b(abi.Bytes(&abi.CopyFileRangeIn{FhIn: fh, NodeIDOut: f, FhOut: fh, OffOut: 1 << 16, Len: 4096}))},
		{abi.OpMkdir, d, name(b(abi.Bytes(&abi.MkdirIn{Mode: 0o755})), "s")},
		{abi.OpMknod, d, name(b(abi.Bytes(&abi.MknodIn{Mode: 0o100644})), "n")},
		{abi.OpSymlink, d, name(nil, "l", "target")},
		{abi.OpLink, d, name(b(abi.Bytes(&abi.LinkIn{OldNodeID: f})), "h")},
		{abi.OpRename2, root, name(b(abi.Bytes(&abi.Rename2In{NewDir: d, Flags: 1})), "f", "g")},
		{abi.OpUnlink, d, name(nil, "h")},
		{abi.OpRmdir, d, name(nil, "s")},
		{abi.OpReaddirplus, d, b(abi.Bytes(&abi.ReadIn{Fh: dh, Size: 4096}))},
		{abi.OpSetxattr, f, append(name(b(abi.Bytes(&abi.SetxattrIn{Size: 4})), "user.a"), "1234"...)},
		{abi.OpGetxattr, f, name(b(abi.Bytes(&abi.GetxattrIn{Size: 100})), "user.a")},
		{abi.OpListxattr, f, b(abi.Bytes(&abi.GetxattrIn{Size: 100}))},
		{abi.OpSetlk, f, b(abi.Bytes(&abi.LkIn{Fh: fh, Owner: 1, Lk: abi.FileLock{End: 100, Type: 1}}))},
		{abi.OpGetlk, f, b(abi.Bytes(&abi.LkIn{Fh: fh, Owner: 2, Lk: abi.FileLock{End: 100, Type: 1}}))},
		{abi.OpTmpfile, d, name(b(abi.Bytes(&abi.CreateIn{Flags: 2, Mode: 0o100600})), "x")},
		{abi.OpOpen, f, b(abi.Bytes(&abi.OpenIn{Flags: 2}))},
		{abi.OpFlush, f, b(abi.Bytes(&abi.FlushIn{Fh: fh, LockOwner: 1}))},
		{abi.OpForget, f, b(abi.Bytes(&abi.ForgetIn{Nlookup: 1}))},
	}
}

type step struct {
	op   abi.Opcode
	node uint64
	body []byte
}

// FuzzSequence sends good requests in any order, some with a byte of the body changed: four bytes of input a request, which one,
// which byte, its new value, and whether it is changed at all. No panic, no leak, and a good file system behind it.
func FuzzSequence(f *testing.F) {
	all := make([]byte, 0, 200)
	for i := range 25 {
		all = append(all, byte(i), 0, 0, 0)
	}
	f.Add(all)
	f.Add(append(all, 3, 16, 0xff, 1, 2, 8, 0x7f, 1, 12, 0, 1, 1))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := newConn(t)
		p := vfstest.NewPeer(t, c)
		file, fh := p.Create(abi.RootID, "f")
		dir := p.Mkdir(abi.RootID, "d")
		dh := p.Opendir(dir)
		for ; len(in) >= 4; in = in[4:] {
			all := steps(file, fh, dir, dh)
			s := all[int(in[0])%len(all)]
			if in[3]&1 != 0 {
				s.body[int(in[1])%len(s.body)] = in[2]
			}
			p.Send(s.op, s.node, s.body)
		}
		if e, _ := p.Send(abi.OpStatfs, abi.RootID); e != vfs.OK {
			t.Error("STATFS:", e)
		}
		c.Shutdown()
		<-c.Done()
		if n, h := c.Live(); n != 0 || h != 0 {
			t.Fatal("left:", n, h)
		}
	})
}
