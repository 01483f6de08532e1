package vfstest

import (
	"math"
	"testing"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// File types of st_mode and flags of open(2) (include/uapi/linux/stat.h, asm-generic/fcntl.h).
const (
	modeFifo = 0o010000
	modeChar = 0o020000
	modeDir  = 0o040000
	modeLink = 0o120000
	modeSock = 0o140000

	openExcl   = 0o200
	openPath   = 0o10000000
	openTmp    = 0o20000000 | 0o200000
	devMem     = 1<<8 | 1
	whiteout   = 4
	atNowhere  = 1 << 40
	ownerOne   = 0x1111
	ownerTwo   = 0x2222
	ownerThree = 0x3333
)

// hostileNodes makes nodes that nobody should be able to open by a message, and opens what is not a file.
func hostileNodes(t *testing.T, p *Peer) {
	file, fh := p.Create(abi.RootID, "f")
	nodes := []uint64{file}
	entry := func(e vfs.Errno, b []byte) uint64 {
		var ent abi.EntryOut
		if e != vfs.OK || !abi.Decode(&ent, b) {
			return 0
		}
		nodes = append(nodes, ent.NodeID)
		return ent.NodeID
	}
	for _, mode := range []uint32{modeDir | 0o755, modeLink | 0o777, 0o170000, math.MaxUint32} {
		e, b := p.Send(abi.OpMknod, abi.RootID, abi.Bytes(&abi.MknodIn{Mode: mode}), CString("bad"))
		if entry(e, b); e == vfs.OK {
			t.Errorf("MKNOD of mode %o succeeds", mode)
		}
	}
	for name, in := range map[string]abi.MknodIn{
		"plain": {Mode: 0, Umask: math.MaxUint32}, "fifo": {Mode: modeFifo | 0o600}, "sock": {Mode: modeSock | 0o600},
		"mem": {Mode: modeChar | 0o600, Rdev: devMem},
	} {
		e, b := p.Send(abi.OpMknod, abi.RootID, abi.Bytes(&in), CString(name))
		node := entry(e, b)
		if node == 0 || name == "plain" {
			continue // it may not be allowed
		}
		for _, flags := range []uint32{0, 1, 2, openPath} {
			if e, _ := p.Send(abi.OpOpen, node, abi.Bytes(&abi.OpenIn{Flags: flags})); e == vfs.OK {
				t.Errorf("OPEN of %s with %o succeeds", name, flags)
			}
		}
	}
	e, b := p.Send(abi.OpSymlink, abi.RootID, CString("link"), CString("f"))
	link := entry(e, b)
	if e, _ := p.Send(abi.OpOpen, link, abi.Bytes(&abi.OpenIn{})); link != 0 && e == vfs.OK {
		t.Error("OPEN of a symlink succeeds")
	}
	if e, b := p.Send(abi.OpCreate, abi.RootID, abi.Bytes(&abi.CreateIn{Flags: 2 | openExcl, Mode: 0o100600}), CString("link")); e == vfs.OK {
		entry(e, b)
		t.Error("CREATE with O_EXCL of a symlink succeeds")
	}
	e, _ = p.Send(abi.OpOpendir, file, abi.Bytes(&abi.OpenIn{}))
	wantErr(t, "OPENDIR of a file", e, vfs.ENOTDIR)
	e, _ = p.Send(abi.OpReadlink, file)
	wantErr(t, "READLINK of a file", e, vfs.EINVAL, vfs.ENOENT)
	if e, _ := p.Send(abi.OpOpen, abi.RootID, abi.Bytes(&abi.OpenIn{Flags: openTmp | 2})); e == vfs.OK {
		t.Error("OPEN with O_TMPFILE succeeds")
	}
	odd(t, p, file, fh)
	e, b = p.Send(abi.OpTmpfile, abi.RootID, abi.Bytes(&abi.CreateIn{Flags: 2, Mode: 0o100600}), CString("x"))
	entry(e, b)
	p.dropAll(nodes...)
}

// odd sends requests that are not offered, or at impossible places.
func odd(t *testing.T, p *Peer, file, fh uint64) {
	for _, op := range []abi.Opcode{abi.OpSetupmapping, abi.OpRemovemapping} {
		e, _ := p.Send(op, file, make([]byte, 100))
		wantErr(t, op.String(), e, vfs.ENOSYS)
	}
	e, _ := p.Send(abi.OpBmap, file, abi.Bytes(&abi.BmapIn{}))
	wantErr(t, "BMAP", e, vfs.ENOSYS, vfs.EOPNOTSUPP, vfs.EINVAL)
	for _, flags := range []uint32{0, abi.PollScheduleNotify, math.MaxUint32} {
		e, _ = p.Send(abi.OpPoll, file, abi.Bytes(&abi.PollIn{Fh: fh, Kh: math.MaxUint64, Flags: flags, Events: 1}))
		wantErr(t, "POLL", e, vfs.OK, vfs.ENOSYS, vfs.EOPNOTSUPP)
	}
	e, _ = p.Send(abi.OpLseek, file, abi.Bytes(&abi.LseekIn{Fh: fh, Whence: 3, Offset: atNowhere}))
	wantErr(t, "LSEEK to data that is not there", e, vfs.ENXIO, vfs.ENOSYS)
	e, _ = p.Send(abi.OpLseek, file, abi.Bytes(&abi.LseekIn{Fh: fh, Whence: 3, Offset: math.MaxUint64}))
	wantErr(t, "LSEEK before the beginning", e, vfs.ENXIO, vfs.EINVAL, vfs.ENOSYS)
	if e, _ = p.Send(abi.OpRename2, abi.RootID, abi.Bytes(&abi.Rename2In{NewDir: 1, Flags: whiteout}), CString("nothing"), CString("g")); e == vfs.OK {
		t.Error("a whiteout of nothing succeeds")
	}
	e, _ = p.Send(abi.OpRename2, abi.RootID, abi.Bytes(&abi.Rename2In{NewDir: file}), CString("f"), CString("g"))
	wantErr(t, "RENAME2 into a file", e, vfs.ENOTDIR)
	// A file that grew to the end of the world and shrank again has forgotten its data.
	p.Send(abi.OpWrite, file, abi.Bytes(&abi.WriteIn{Fh: fh, Size: 3}), []byte("abc"))
	for _, size := range []uint64{math.MaxInt64, 1 << 62, 0, 4} {
		p.Send(abi.OpSetattr, file, abi.Bytes(&abi.SetattrIn{Valid: abi.FattrSize, Size: size}))
	}
	if e, b := p.Send(abi.OpRead, file, abi.Bytes(&abi.ReadIn{Fh: fh, Size: 10})); e != vfs.OK || string(b) != "\x00\x00\x00\x00" {
		t.Errorf("after it was emptied and grew to 4 bytes: %v, %q", e, b)
	}
}
