//go:build linux

package passthrough

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

func TestFallocateSeekCopy(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		p := newFile(t, dir, "f", "")
		newFile(t, dir, "g", "0123456789")
		c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
		n, g := c.lookup("f"), c.lookup("g")
		fh, gh := c.open(n, unix.O_RDWR), c.open(g, unix.O_RDWR)
		falloc := func(mode uint32, off, length uint64) vfs.Errno {
			e, _ := c.do(abi.OpFallocate, n, abi.Bytes(&abi.FallocateIn{Fh: fh, Offset: off, Length: length, Mode: mode}))
			return e
		}
		const blk = 1 << 20
		c.is(falloc(0, 0, 4*blk), vfs.OK)
		if fi, _ := os.Stat(p); fi.Size() != 4*blk {
			t.Fatal(fi.Size())
		}
		c.is(falloc(0x1000, 0, blk), vfs.EOPNOTSUPP)
		c.is(falloc(0, 1<<63, 1), vfs.EINVAL)
		c.is(falloc(0, 0, 0), vfs.EINVAL)
		c.write(n, fh, 0, "data", 0, 0)
		c.write(n, fh, 3*blk, "data", 0, 0)
		c.is(falloc(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, blk, 2*blk), vfs.OK)
		seek := func(off int64, whence uint32) (vfs.Errno, int64) {
			e, body := c.do(abi.OpLseek, n, abi.Bytes(&abi.LseekIn{Fh: fh, Offset: uint64(off), Whence: whence}))
			var out abi.LseekOut
			copy(abi.Bytes(&out), body)
			return e, int64(out.Offset)
		}
		if e, off := seek(blk, unix.SEEK_DATA); e != vfs.OK || off != 3*blk {
			t.Fatal(e, off)
		}
		if e, off := seek(3*blk, unix.SEEK_HOLE); e != vfs.OK || off <= 3*blk || off > 4*blk {
			t.Fatal(e, off)
		}
		if e, _ := seek(5*blk, unix.SEEK_DATA); e != vfs.ENXIO {
			t.Fatal(e)
		}
		if e, off := seek(-1, unix.SEEK_END); e != vfs.OK || off != 4*blk-1 {
			t.Fatal(e, off)
		}
		if e, b := c.read(n, fh, 0, 4, 0); e != vfs.OK || string(b) != "data" {
			t.Fatal("a seek moved a read:", e, string(b))
		}
		copyTo := func(dst, dh uint64, in, out, length, flags uint64) (vfs.Errno, uint32) {
			e, body := c.do(abi.OpCopyFileRange, g, abi.Bytes(&abi.CopyFileRangeIn{FhIn: gh, OffIn: in, NodeIDOut: dst, FhOut: dh, OffOut: out, Len: length, Flags: flags}))
			var w abi.WriteOut
			copy(abi.Bytes(&w), body)
			return e, w.Size
		}
		if e, done := copyTo(n, fh, 2, 100, ^uint64(0)>>1, 0); e != vfs.OK || done != 8 {
			t.Fatal(e, done)
		}
		if _, b := c.read(n, fh, 100, 8, 0); string(b) != "23456789" {
			t.Fatalf("copied %q", b)
		}
		if e, _ := copyTo(g, gh, 0, 2, 5, 0); e != vfs.EINVAL {
			t.Fatal("overlapping:", e)
		}
		if e, _ := copyTo(n, fh, 0, 0, 5, 1); e != vfs.EINVAL {
			t.Fatal("flags:", e)
		}
	})
}

func TestSync(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		newFile(t, dir, "f", "x")
		c := newClient(t, dir, Defaults(), vfs.Options{})
		n := c.lookup("f")
		fh := c.open(n, unix.O_RDWR)
		for _, flags := range []uint32{0, abi.FsyncFdatasync} {
			e, _ := c.do(abi.OpFsync, n, abi.Bytes(&abi.FsyncIn{Fh: fh, FsyncFlags: flags}))
			c.is(e, vfs.OK)
		}
		e, body := c.do(abi.OpOpendir, abi.RootID, abi.Bytes(&abi.OpenIn{}))
		c.is(e, vfs.OK)
		var out abi.OpenOut
		copy(abi.Bytes(&out), body)
		e, _ = c.do(abi.OpFsyncdir, abi.RootID, abi.Bytes(&abi.FsyncIn{Fh: out.Fh}))
		c.is(e, vfs.OK)
		e, _ = c.do(abi.OpFlush, n, abi.Bytes(&abi.FlushIn{Fh: fh, LockOwner: 1}))
		c.is(e, vfs.OK)
		e, _ = c.do(abi.OpSyncfs, abi.RootID, abi.Bytes(&abi.SyncfsIn{}))
		c.is(e, vfs.OK)
	})
}

// Without OPEN requests name the node alone; the descriptors behind it are few, whatever the number of nodes.
func TestNoOpen(t *testing.T) {
	dir := t.TempDir()
	o := Defaults()
	o.Cache = CacheAlways
	o.InodeHandles = HandlesPrefer
	o.FDBudget = 64
	c := newClient(t, dir, o, vfs.Options{NoOpen: true, NoOpendir: true, LocalLocks: true})
	before := openFDs(t)
	var nodes []uint64
	for i := range 2 * nodeFilesMax {
		name := "f" + string(rune('A'+i%26)) + string(rune('A'+i/26))
		newFile(t, dir, name, name)
		n := c.lookup(name)
		nodes = append(nodes, n)
		if e, b := c.read(n, 0, 1, 9, 0); e != vfs.OK || string(b) != name[1:] {
			t.Fatal(e, string(b))
		}
		if e, done := c.write(n, 0, 0, "g", 0, 0); e != vfs.OK || done != 1 {
			t.Fatal(e, done)
		}
		content(t, filepath.Join(dir, name), "g"+name[1:])
	}
	if n := openFDs(t) - before; n > nodeFilesMax+o.FDBudget+8 {
		t.Fatalf("%d descriptors for %d nodes", n, len(nodes))
	}
	e, body := c.do(abi.OpReaddir, abi.RootID, abi.Bytes(&abi.ReadIn{Size: 4096}))
	if e != vfs.OK || len(body) == 0 {
		t.Fatal("readdir:", e)
	}
	for _, n := range nodes {
		c.do(abi.OpForget, n, abi.Bytes(&abi.ForgetIn{Nlookup: 1}))
	}
	if n := openFDs(t) - before; n > o.FDBudget+8 {
		t.Fatalf("%d descriptors for forgotten nodes", n)
	}
}

// Open files and locks leave the last descriptors to those who only look; all of them come back.
func TestCrowded(t *testing.T) {
	l := newLocked(t, Defaults())
	newFile(t, l.dir(), "g", "")
	l.fs.maxOpen = 4
	a, b := l.open(l.node, unix.O_RDONLY), l.open(l.node, unix.O_RDONLY)
	l.want(l.set(l.fh, 1, wr, 0, 0), vfs.OK)
	e, _ := l.tryOpen(l.node, unix.O_RDONLY, 0)
	l.want(e, vfs.ENFILE)
	l.want(l.set(l.fh, 2, wr, 1, 1), vfs.ENOLCK)
	l.lookup("g")
	l.release(l.node, a)
	l.release(l.node, b)
	l.want(l.set(l.fh, 2, wr, 1, 1), vfs.OK)
	l.release(l.node, l.fh)
	l.none()
	if n := l.fs.open.Load(); n != 0 {
		t.Fatalf("%d files still count as open", n)
	}
}
