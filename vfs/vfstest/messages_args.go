package vfstest

import (
	"math"
	"testing"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

func hostileReads(t *testing.T, p *Peer) {
	file, fh := p.Create(abi.RootID, "f")
	dh := p.Opendir(abi.RootID)
	p.Send(abi.OpWrite, file, abi.Bytes(&abi.WriteIn{Fh: fh, Size: 3}), []byte("abc"))
	for _, size := range []uint32{0, 1, 1 << 20, 1<<20 + 1, 1 << 31, math.MaxUint32} {
		e, b := p.Send(abi.OpRead, file, abi.Bytes(&abi.ReadIn{Fh: fh, Size: size}))
		if e != vfs.OK || len(b) > int(min(size, 3)) {
			t.Errorf("READ of %d: %v, %d bytes", size, e, len(b))
		}
		for _, op := range []abi.Opcode{abi.OpReaddir, abi.OpReaddirplus} {
			for _, off := range []uint64{0, 1, 1 << 40, math.MaxInt64, math.MaxUint64} {
				e, b := p.Send(op, abi.RootID, abi.Bytes(&abi.ReadIn{Fh: dh, Size: size, Offset: off}))
				if e == vfs.OK && len(b) > int(size) {
					t.Errorf("%v of %d: %d bytes", op, size, len(b))
				}
			}
		}
	}
	for _, off := range []uint64{math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		e, b := p.Send(abi.OpRead, file, abi.Bytes(&abi.ReadIn{Fh: fh, Size: 10, Offset: off}))
		if e == vfs.OK && len(b) > 0 {
			t.Errorf("READ at %d gives %d bytes", off, len(b))
		}
	}
	p.dropAll(file)
}

func hostileWrites(t *testing.T, p *Peer) {
	file, fh := p.Create(abi.RootID, "f")
	for _, size := range []uint32{4, 100, 1 << 20, 1<<20 + 1, math.MaxUint32} {
		e, _ := p.Send(abi.OpWrite, file, abi.Bytes(&abi.WriteIn{Fh: fh, Size: size}), []byte("abc"))
		wantErr(t, "WRITE of more than was sent", e, vfs.EINVAL)
	}
	e, b := p.Send(abi.OpWrite, file, abi.Bytes(&abi.WriteIn{Fh: fh, Size: 2}), []byte("abc"))
	var out abi.WriteOut
	if abi.Decode(&out, b); e != vfs.OK || out.Size != 2 {
		t.Errorf("WRITE of less than was sent: %v, %d", e, out.Size)
	}
	for _, off := range []uint64{math.MaxInt64, math.MaxUint64} {
		e, _ := p.Send(abi.OpWrite, file, abi.Bytes(&abi.WriteIn{Fh: fh, Size: 3, Offset: off}), []byte("abc"))
		wantErr(t, "WRITE at the end of the world", e, vfs.EFBIG)
	}
	p.dropAll(file)
}

func hostileArguments(t *testing.T, p *Peer) {
	file, fh := p.Create(abi.RootID, "f")
	dir := p.Mkdir(abi.RootID, "d")
	for _, in := range []abi.SetattrIn{
		{Valid: math.MaxUint32},
		{Valid: abi.FattrSize, Size: math.MaxUint64},
		{Valid: abi.FattrAtime, AtimeNsec: 1e9},
		{Valid: abi.FattrMtime, MtimeNsec: math.MaxUint32},
	} {
		e, _ := p.Send(abi.OpSetattr, file, abi.Bytes(&in))
		wantErr(t, "SETATTR", e, vfs.EINVAL, vfs.EBADF)
	}
	for _, in := range []abi.FallocateIn{
		{Fh: fh},
		{Fh: fh, Offset: math.MaxUint64, Length: 1},
		{Fh: fh, Offset: math.MaxInt64, Length: math.MaxInt64},
		{Fh: fh, Length: 1, Mode: math.MaxUint32},
	} {
		e, _ := p.Send(abi.OpFallocate, file, abi.Bytes(&in))
		wantErr(t, "FALLOCATE", e, vfs.EINVAL, vfs.EOPNOTSUPP, vfs.ENOSYS)
	}
	for _, in := range []abi.CopyFileRangeIn{
		{FhIn: fh, NodeIDOut: file, FhOut: fh, Len: 1, Flags: 1},
		{FhIn: fh, NodeIDOut: file, FhOut: 999, Len: 1},
		{FhIn: fh, NodeIDOut: dir, FhOut: fh, Len: 1},
		{FhIn: fh, NodeIDOut: file, FhOut: fh, OffIn: math.MaxUint64, Len: math.MaxUint64},
	} {
		e, _ := p.Send(abi.OpCopyFileRange, file, abi.Bytes(&in))
		wantErr(t, "COPY_FILE_RANGE", e, vfs.EINVAL, vfs.EBADF, vfs.ENOSYS)
	}
	e, _ := p.Send(abi.OpCopyFileRange64, file, abi.Bytes(&abi.CopyFileRangeIn{FhIn: fh, NodeIDOut: file, FhOut: fh, Len: math.MaxUint64}))
	wantErr(t, "COPY_FILE_RANGE_64 of everything", e, vfs.OK, vfs.EINVAL, vfs.ENOSYS)
	e, _ = p.Send(abi.OpLseek, file, abi.Bytes(&abi.LseekIn{Fh: fh, Whence: 99}))
	wantErr(t, "LSEEK", e, vfs.EINVAL, vfs.ENOSYS)
	for _, f := range []uint32{0xff, 8, 3, 6} {
		e, _ = p.Send(abi.OpRename2, abi.RootID, abi.Bytes(&abi.Rename2In{NewDir: 1, Flags: f}), CString("f"), CString("g"))
		wantErr(t, "RENAME2", e, vfs.EINVAL)
	}
	e, _ = p.Send(abi.OpRename, abi.RootID, abi.Bytes(&abi.RenameIn{NewDir: dir}), CString("d"), CString("sub"))
	wantErr(t, "RENAME into itself", e, vfs.EINVAL)
	hostileLocks(t, p, file, fh)
	for _, in := range []abi.IoctlIn{
		{Fh: fh, InSize: math.MaxUint32},
		{Fh: fh, Cmd: 0x8004587d, InSize: 4},
		{Fh: fh, Flags: abi.IoctlUnrestricted},
		{Fh: fh, OutSize: math.MaxUint32, Cmd: 1},
	} {
		e, _ := p.Send(abi.OpIoctl, file, abi.Bytes(&in))
		wantErr(t, "IOCTL", e, vfs.ENOTTY, vfs.EINVAL)
	}
	p.dropAll(file, dir)
}

func hostileLocks(t *testing.T, p *Peer, file, fh uint64) {
	for _, lk := range []abi.FileLock{
		{Type: 3, End: 10}, {Type: math.MaxUint32}, {Start: 10, End: 9}, {Start: math.MaxUint64, End: math.MaxUint64},
	} {
		for _, op := range []abi.Opcode{abi.OpGetlk, abi.OpSetlk, abi.OpSetlkw} {
			e, _ := p.Send(op, file, abi.Bytes(&abi.LkIn{Fh: fh, Owner: 1, Lk: lk}))
			wantErr(t, op.String(), e, vfs.EINVAL, vfs.ENOSYS)
		}
	}
	e, _ := p.Send(abi.OpSetlk, file, abi.Bytes(&abi.LkIn{Fh: fh, Owner: 1, LkFlags: math.MaxUint32, Lk: abi.FileLock{End: 1}}))
	wantErr(t, "lock flags", e, vfs.EINVAL, vfs.ENOSYS)
}

func hostileXattrs(t *testing.T, p *Peer) {
	file, fh := p.Create(abi.RootID, "f")
	set := func(in abi.SetxattrIn, name string, value []byte) vfs.Errno {
		e, _ := p.Send(abi.OpSetxattr, file, abi.Bytes(&in), CString(name), value)
		return e
	}
	wantErr(t, "SETXATTR of more than was sent", set(abi.SetxattrIn{Size: 100}, "user.a", []byte("x")), vfs.EINVAL)
	wantErr(t, "SETXATTR of more than there can be", set(abi.SetxattrIn{Size: 65537}, "user.a", make([]byte, 65537)), vfs.E2BIG)
	wantErr(t, "SETXATTR of 4 GiB", set(abi.SetxattrIn{Size: math.MaxUint32}, "user.a", nil), vfs.E2BIG)
	wantErr(t, "SETXATTR with both flags", set(abi.SetxattrIn{Size: 1, Flags: 3}, "user.a", []byte("x")), vfs.EINVAL)
	wantErr(t, "SETXATTR without a name", set(abi.SetxattrIn{Size: 1}, "", []byte("x")), vfs.EINVAL)
	wantErr(t, "SETXATTR", set(abi.SetxattrIn{Size: 3}, "user.a", []byte("abc")), vfs.OK, vfs.ENOSYS, vfs.EOPNOTSUPP)
	for _, size := range []uint32{0, 1, 3, 1 << 20, math.MaxUint32} {
		for _, op := range []abi.Opcode{abi.OpGetxattr, abi.OpListxattr} {
			name := CString("user.a")
			if op == abi.OpListxattr {
				name = nil
			}
			e, b := p.Send(op, file, abi.Bytes(&abi.GetxattrIn{Size: size}), name)
			if e == vfs.OK && len(b) > 8 && len(b) > int(size) {
				t.Errorf("%v of %d: %d bytes", op, size, len(b))
			}
		}
	}
	p.Release(file, fh)
	p.dropAll(file)
}

func hostileExtensions(t *testing.T, p *Peer) {
	send := func(units uint16, ext []byte) vfs.Errno {
		e, _ := p.SendHeader(abi.InHeader{Opcode: abi.OpMkdir, NodeID: abi.RootID, TotalExtlen: units},
			abi.Bytes(&abi.MkdirIn{Mode: 0o755}), CString("abcdefg"), ext)
		return e
	}
	group := func(count uint32, n int) []byte {
		b := append(abi.Bytes(&abi.ExtHeader{Size: uint32(12 + 4*n), Type: abi.ExtGroups}), abi.Bytes(&abi.SuppGroups{NrGroups: count})...)
		b = append(b, make([]byte, 4*n)...)
		return append(b, make([]byte, (8-len(b)%8)%8)...)
	}
	wantErr(t, "an area longer than the message", send(1000, nil), vfs.EINVAL)
	wantErr(t, "a header cut off", send(1, abi.Bytes(&abi.ExtHeader{Size: 100, Type: 1})), vfs.EINVAL)
	wantErr(t, "no size", send(1, abi.Bytes(&abi.ExtHeader{})), vfs.EINVAL)
	wantErr(t, "more groups than there are", send(2, group(math.MaxUint32, 1)), vfs.EINVAL)
	wantErr(t, "two lists of groups", send(4, append(group(1, 1), group(1, 1)...)), vfs.EINVAL)
	wantErr(t, "an extension of another time", send(1, abi.Bytes(&abi.ExtHeader{Size: 8, Type: 999})), vfs.OK)
	e, node := p.Lookup(abi.RootID, "abcdefg")
	wantErr(t, "what was made with it", e, vfs.OK)
	p.dropAll(node)
}

// everyOpcode sends every opcode with arguments of zeros and of ones, to the root, to a file and to nothing.
func everyOpcode(t *testing.T, p *Peer) {
	file, fh := p.Create(abi.RootID, "f")
	for _, fill := range []byte{0, 0xff, 1} {
		for op := range abi.OpMax + 1 {
			if op == abi.OpInit || op == abi.OpDestroy {
				continue
			}
			body := make([]byte, 300)
			for i := range body {
				body[i] = fill
			}
			body[len(body)-1] = 0
			for _, node := range []uint64{0, abi.RootID, file} {
				p.Send(op, node, body)
				p.Send(op, node, abi.Bytes(&fh), body[8:])
			}
		}
	}
	for _, name := range []string{"\xff", "\x01"} {
		p.Send(abi.OpUnlink, abi.RootID, CString(name))
	}
	p.dropAll(file)
}

func hostileInit(t *testing.T, newConn func(t testing.TB) *vfs.Conn) {
	send := func(p *Peer, major, minor uint32) (vfs.Errno, abi.InitOut) {
		e, b := p.Send(abi.OpInit, 0, abi.Bytes(&abi.InitIn{Major: major, Minor: minor}))
		var out abi.InitOut
		abi.Decode(&out, b)
		return e, out
	}
	p := &Peer{T: t, C: newConn(t), out: make([]byte, 1<<16)}
	e, _ := p.Send(abi.OpGetattr, abi.RootID, make([]byte, 16))
	wantErr(t, "a request before INIT", e, vfs.EIO)
	e, _ = send(p, 6, 0)
	wantErr(t, "major 6", e, vfs.EPROTO)
	e, _ = send(p, 7, 0)
	wantErr(t, "minor 0", e, vfs.EPROTO)
	e, out := send(p, 8, 0)
	if e != vfs.OK || out.Major != 7 {
		t.Errorf("major 8: %v, %d", e, out.Major)
	}
	e, _ = p.Send(abi.OpInit, 0, make([]byte, 7))
	wantErr(t, "a short INIT", e, vfs.EINVAL)
	e, out = send(p, 7, 99)
	if e != vfs.OK || out.Minor != abi.KernelMinor || out.MaxWrite < 4096 {
		t.Errorf("minor 99: %v, %+v", e, out)
	}
	node, _ := p.Create(abi.RootID, "f")
	e, _ = send(p, 7, 31)
	wantErr(t, "a second INIT", e, vfs.OK)
	e, _ = p.Send(abi.OpGetattr, node, make([]byte, 16))
	wantErr(t, "a node of before the second INIT", e, vfs.ESTALE)
	if n, h := p.Live(1, 0); n != 1 || h != 0 {
		t.Errorf("%d nodes and %d handles after a second INIT", n, h)
	}
}
