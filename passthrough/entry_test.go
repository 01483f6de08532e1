//go:build linux

package passthrough

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// entry sends a request that is answered with an entry.
func (c *client) entry(op abi.Opcode, node uint64, parts ...[]byte) (vfs.Errno, abi.EntryOut) {
	c.t.Helper()
	e, body := c.do(op, node, parts...)
	var out abi.EntryOut
	copy(abi.Bytes(&out), body)
	return e, out
}

func (c *client) find(dir uint64, name string) abi.EntryOut {
	c.t.Helper()
	e, out := c.entry(abi.OpLookup, dir, cstr(name))
	if e != vfs.OK {
		c.t.Fatalf("lookup %q: %v", name, e)
	}
	return out
}

func (c *client) forget(node, n uint64) {
	c.do(abi.OpForget, node, abi.Bytes(&abi.ForgetIn{Nlookup: n}))
}

func (c *client) getattr(node uint64) (vfs.Errno, abi.Attr) {
	c.t.Helper()
	e, body := c.do(abi.OpGetattr, node, abi.Bytes(&abi.GetattrIn{}))
	var out abi.AttrOut
	copy(abi.Bytes(&out), body)
	return e, out.Attr
}

func (c *client) setattr(node uint64, in abi.SetattrIn) vfs.Errno {
	c.t.Helper()
	e, _ := c.do(abi.OpSetattr, node, abi.Bytes(&in))
	return e
}

func (c *client) create(dir uint64, name string, flags, mode uint32) (vfs.Errno, abi.EntryOut, uint64) {
	c.t.Helper()
	e, body := c.do(abi.OpCreate, dir, abi.Bytes(&abi.CreateIn{Flags: flags, Mode: unix.S_IFREG | mode}), cstr(name))
	var out abi.EntryOut
	var o abi.OpenOut
	if n := copy(abi.Bytes(&out), body); e == vfs.OK {
		copy(abi.Bytes(&o), body[n:])
	}
	return e, out, o.Fh
}

// inode is what the file system knows of a path, nil if nothing.
func (c *client) inode(path string) *inode {
	c.t.Helper()
	p := cstr(path)
	var st unix.Statx_t
	if e := statx(unix.AT_FDCWD, &p[0], unix.AT_SYMLINK_NOFOLLOW, &st); e != 0 {
		c.t.Fatal(path, e)
	}
	mnt, ok := c.fs.mounts.find(&st, 0)
	if !ok {
		return nil
	}
	defer c.fs.mounts.put(mnt)
	id := identOf(&st, mnt)
	s := c.fs.shard(id.hash())
	s.mu.Lock()
	defer s.mu.Unlock()
	_, n := c.fs.find(s, id.hash(), &id)
	return n
}

type dirent struct {
	ino, next uint64
	typ       uint32
	name      string
	node      uint64 // READDIRPLUS
	attrIno   uint64
}

// list reads what one READDIR or READDIRPLUS gives.
func (c *client) list(node, fh, off uint64, size uint32, plus bool) (out []dirent) {
	c.t.Helper()
	op := abi.OpReaddir
	if plus {
		op = abi.OpReaddirplus
	}
	e, b := c.do(op, node, abi.Bytes(&abi.ReadIn{Fh: fh, Offset: off, Size: size}))
	c.is(e, vfs.OK)
	for len(b) > 0 {
		var d dirent
		skip := 0
		if plus {
			skip = abi.DirentplusSize - abi.DirentSize
			d.node, d.attrIno = binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[40:])
		}
		r := b[skip:]
		n := int(binary.NativeEndian.Uint32(r[16:]))
		d.ino, d.next, d.typ = binary.NativeEndian.Uint64(r), binary.NativeEndian.Uint64(r[8:]), binary.NativeEndian.Uint32(r[20:])
		d.name = string(r[abi.DirentSize : abi.DirentSize+n])
		out = append(out, d)
		b = b[abi.DirentLen(n, plus):]
	}
	return out
}

// listAll reads a directory to its end.
func (c *client) listAll(node, fh uint64, size uint32, plus bool) (out []dirent) {
	c.t.Helper()
	off := uint64(0)
	for {
		part := c.list(node, fh, off, size, plus)
		if len(part) == 0 {
			return out
		}
		out = append(out, part...)
		off = part[len(part)-1].next
	}
}

func (c *client) opendir(node uint64) uint64 {
	c.t.Helper()
	e, body := c.do(abi.OpOpendir, node, abi.Bytes(&abi.OpenIn{}))
	c.is(e, vfs.OK)
	var out abi.OpenOut
	copy(abi.Bytes(&out), body)
	return out.Fh
}

func (c *client) releasedir(node, fh uint64) {
	c.t.Helper()
	e, _ := c.do(abi.OpReleasedir, node, abi.Bytes(&abi.ReleaseIn{Fh: fh}))
	c.is(e, vfs.OK)
}

// special makes a node of each kind that is neither file nor directory: name → S_IFMT bits.
func special(t testing.TB, dir string) map[string]uint32 {
	t.Helper()
	out := map[string]uint32{"fifo": unix.S_IFIFO, "null": unix.S_IFCHR, "disk": unix.S_IFBLK, "sock": unix.S_IFSOCK}
	for name, typ := range out {
		dev := 0
		if typ == unix.S_IFCHR || typ == unix.S_IFBLK {
			dev = int(unix.Mkdev(1, 3))
		}
		if err := unix.Mknod(filepath.Join(dir, name), typ|0o666, dev); err != nil {
			t.Fatal(name, err)
		}
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	out["link"] = unix.S_IFLNK
	return out
}

// heap is what live objects of the Go heap take, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
