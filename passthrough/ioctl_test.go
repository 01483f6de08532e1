//go:build linux

package passthrough

import (
	"encoding/binary"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

func (c *client) ioctl(node, fh uint64, cmd uint32, in []byte, out int) (vfs.Errno, []byte) {
	c.t.Helper()
	return c.ioctlFlags(node, fh, cmd, in, out, 0)
}

func (c *client) ioctlFlags(node, fh uint64, cmd uint32, in []byte, out int, flags uint32) (vfs.Errno, []byte) {
	c.t.Helper()
	e, body := c.do(abi.OpIoctl, node, abi.Bytes(&abi.IoctlIn{Fh: fh, Cmd: cmd, InSize: uint32(len(in)), OutSize: uint32(out), Flags: flags}), in)
	if len(body) >= ioctlHead {
		body = body[ioctlHead:]
	}
	return e, body
}

func u32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

const (
	flNoDump = 0x40
	xfNoDump = 0x80
)

func TestIoctlFlags(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		p := newFile(t, dir, "f", "")
		c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
		n := c.lookup("f")
		fh := c.open(n, unix.O_RDONLY)
		get := func() uint32 {
			t.Helper()
			e, b := c.ioctl(n, fh, iocGetflags, nil, 4)
			if e != vfs.OK || len(b) != 4 {
				t.Fatal(e, b)
			}
			return binary.NativeEndian.Uint32(b)
		}
		was := get()
		e, _ := c.ioctl(n, fh, iocSetflags, u32(was|flNoDump), 0)
		c.is(e, vfs.OK)
		if get() != was|flNoDump {
			t.Fatalf("flags %#x", get())
		}
		if e, b := c.ioctl(n, fh, iocGetflags32, nil, 4); e != vfs.OK || binary.NativeEndian.Uint32(b) != was|flNoDump {
			t.Fatal("a 32-bit program:", e, b)
		}
		// A stranger may not, the owner may, immutable is root's.
		c.uid, c.gid = 1000, 1000
		e, _ = c.ioctl(n, fh, iocSetflags, u32(was), 0)
		c.is(e, vfs.EPERM)
		if err := os.Chown(p, 1000, 1000); err != nil {
			t.Fatal(err)
		}
		e, _ = c.ioctl(n, fh, iocSetflags, u32(was), 0)
		c.is(e, vfs.OK)
		for _, fl := range []uint32{flImmutable, flAppend, flJournalData} {
			e, _ = c.ioctl(n, fh, iocSetflags, u32(was|fl), 0)
			c.is(e, vfs.EPERM)
		}
		if get() != was {
			t.Fatalf("flags %#x", get())
		}
		c.uid, c.gid = 0, 0
		e, _ = c.ioctl(n, fh, iocSetflags, u32(was|flImmutable), 0)
		c.is(e, vfs.OK)
		if os.WriteFile(p, nil, 0o644) == nil {
			t.Error("not immutable")
		}
		c.uid = 1000
		e, _ = c.ioctl(n, fh, iocSetflags, u32(was), 0)
		c.is(e, vfs.EPERM)
		c.uid = 0
		e, _ = c.ioctl(n, fh, iocSetflags, u32(was), 0)
		c.is(e, vfs.OK)
		// Sizes that do not fit.
		e, _ = c.ioctl(n, fh, iocSetflags, []byte{1, 2, 3}, 0)
		c.is(e, vfs.EINVAL)
		e, _ = c.ioctl(n, fh, iocGetflags, nil, 3)
		c.is(e, vfs.EINVAL)
		e, _ = c.ioctlFlags(n, fh, iocGetflags, nil, 4, abi.IoctlUnrestricted)
		c.is(e, vfs.ENOTTY)
	})
}

func TestIoctlXattr(t *testing.T) {
	dir := t.TempDir()
	p := newFile(t, dir, "f", "")
	c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
	n := c.lookup("f")
	fh := c.open(n, unix.O_RDONLY)
	e, was := c.ioctl(n, fh, iocFsgetxattr, nil, fsxattrSize)
	if e != vfs.OK || len(was) != fsxattrSize {
		t.Fatal(e, was)
	}
	was = append([]byte(nil), was...)
	v := append([]byte(nil), was...)
	binary.NativeEndian.PutUint32(v, binary.NativeEndian.Uint32(v)|xfNoDump)
	e, _ = c.ioctl(n, fh, iocFssetxattr, v, 0)
	c.is(e, vfs.OK)
	if _, b := c.ioctl(n, fh, iocFsgetxattr, nil, fsxattrSize); binary.NativeEndian.Uint32(b)&xfNoDump == 0 {
		t.Fatal("not set")
	}
	c.uid = 1000
	e, _ = c.ioctl(n, fh, iocFssetxattr, was, 0)
	c.is(e, vfs.EPERM)
	if err := os.Chown(p, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	e, _ = c.ioctl(n, fh, iocFssetxattr, was, 0)
	c.is(e, vfs.OK)
	binary.NativeEndian.PutUint32(v, binary.NativeEndian.Uint32(was)|xflAppend)
	e, _ = c.ioctl(n, fh, iocFssetxattr, v, 0)
	c.is(e, vfs.EPERM)
	copy(v, was)
	binary.NativeEndian.PutUint32(v[12:], 42) // the project, and with it the quota
	e, _ = c.ioctl(n, fh, iocFssetxattr, v, 0)
	c.is(e, vfs.EPERM)
}

func TestIoctlDirectory(t *testing.T) {
	dir := t.TempDir()
	c := newClient(t, dir, Defaults(), vfs.Options{})
	e, body := c.do(abi.OpOpendir, abi.RootID, abi.Bytes(&abi.OpenIn{}))
	c.is(e, vfs.OK)
	var out abi.OpenOut
	copy(abi.Bytes(&out), body)
	e, b := c.ioctlFlags(abi.RootID, out.Fh, iocGetflags, nil, 4, abi.IoctlDir)
	if e != vfs.OK || len(b) != 4 {
		t.Fatal(e, b)
	}
}

// What concerns more than one file never reaches the host.
func TestIoctlRefused(t *testing.T) {
	dir := tmpfs(t) // a file system that may come to harm
	p := newFile(t, dir, "f", "")
	c := newClient(t, dir, Defaults(), vfs.Options{})
	n := c.lookup("f")
	fh := c.open(n, unix.O_RDWR)
	for cmd, want := range map[uint32]vfs.Errno{
		0x8004587d: vfs.ENOTTY, // FS_IOC_SHUTDOWN
		0xc0045877: vfs.ENOTTY, // FIFREEZE
		0xc0045878: vfs.ENOTTY, // FITHAW
		0xc0185879: vfs.ENOTTY, // FITRIM
		0x40086610: vfs.ENOTTY, // EXT4_IOC_RESIZE_FS
		0xc020660b: vfs.ENOTTY, // FS_IOC_FIEMAP
		0x40049409: vfs.EOPNOTSUPP,
		0x4020940d: vfs.EOPNOTSUPP,
		0xc0189436: vfs.EOPNOTSUPP,
		0x5401:     vfs.ENOTTY, // TCGETS
		0:          vfs.ENOTTY,
		^uint32(0): vfs.ENOTTY,
	} {
		e, _ := c.ioctl(n, fh, cmd, make([]byte, 64), 64)
		if e != want {
			t.Errorf("ioctl %#x: %v, want %v", cmd, e, want)
		}
	}
	if err := os.WriteFile(p, []byte("still there"), 0o644); err != nil {
		t.Fatal(err)
	}
}
