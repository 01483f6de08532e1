//go:build linux

package passthrough

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// onBoth runs a test on the file system of the temporary directory and on a tmpfs.
func onBoth(t *testing.T, f func(t *testing.T, dir string)) {
	t.Run("disk", func(t *testing.T) { f(t, t.TempDir()) })
	t.Run("tmpfs", func(t *testing.T) { f(t, tmpfs(t)) })
}

func tmpfs(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("fastfsd-test", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatal("mount tmpfs (run as root):", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error("unmount:", err)
		}
	})
	return dir
}

func (c *client) read(node, fh uint64, off int64, n int, flags uint32) (vfs.Errno, []byte) {
	c.t.Helper()
	return c.do(abi.OpRead, node, abi.Bytes(&abi.ReadIn{Fh: fh, Offset: uint64(off), Size: uint32(n), Flags: flags}))
}

func (c *client) write(node, fh uint64, off int64, data string, flags, wflags uint32) (vfs.Errno, int) {
	c.t.Helper()
	e, body := c.do(abi.OpWrite, node, abi.Bytes(&abi.WriteIn{Fh: fh, Offset: uint64(off), Size: uint32(len(data)), Flags: flags, WriteFlags: wflags}), []byte(data))
	var out abi.WriteOut
	copy(abi.Bytes(&out), body)
	return e, int(out.Size)
}

func (c *client) is(e, want vfs.Errno) {
	c.t.Helper()
	if e != want {
		c.t.Fatalf("got %v, want %v", e, want)
	}
}

func content(t testing.TB, path, want string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != want {
		t.Fatalf("%s holds %q, want %q", filepath.Base(path), b, want)
	}
}

func TestReadWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		p := newFile(t, dir, "f", "0123456789")
		c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
		n := c.lookup("f")
		fh := c.open(n, unix.O_RDWR)
		e, b := c.read(n, fh, 4, 100, 0)
		c.is(e, vfs.OK)
		if string(b) != "456789" {
			t.Fatalf("read %q", b)
		}
		e, b = c.read(n, fh, 10, 100, 0)
		if e != vfs.OK || len(b) != 0 {
			t.Fatalf("at the end: %v, %q", e, b)
		}
		if e, done := c.write(n, fh, 8, "xyz", 0, 0); e != vfs.OK || done != 3 {
			t.Fatal(e, done)
		}
		content(t, p, "01234567xyz")
		ro, wo := c.open(n, unix.O_RDONLY), c.open(n, unix.O_WRONLY)
		e, _ = c.write(n, ro, 0, "no", 0, 0)
		c.is(e, vfs.EBADF)
		e, _ = c.read(n, wo, 0, 1, 0)
		c.is(e, vfs.EBADF)
		// Beyond 4 TiB where the file system allows it: an errno or the data, never another offset.
		const far = 5 << 40
		if e, _ := c.write(n, fh, far, "far", 0, 0); e == vfs.OK {
			if _, b := c.read(n, fh, far, 3, 0); string(b) != "far" {
				t.Fatalf("read %q", b)
			}
		} else {
			c.is(e, vfs.EFBIG)
		}
	})
}

// O_APPEND is what the program's file says at each write: not what it was opened with, and not for pages written back.
func TestAppend(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		p := newFile(t, dir, "f", "0123")
		c := newClient(t, dir, Defaults(), vfs.Options{})
		n := c.lookup("f")
		fh := c.open(n, unix.O_WRONLY|unix.O_APPEND)
		c.write(n, fh, 0, "ab", unix.O_APPEND, 0)
		content(t, p, "0123ab")
		c.write(n, fh, 0, "X", 0, abi.WriteCache)
		content(t, p, "X123ab")
		c.write(n, fh, 1, "Y", 0, 0) // switched off by F_SETFL
		content(t, p, "XY23ab")
		plain := c.open(n, unix.O_WRONLY)
		c.write(n, plain, 0, "cd", unix.O_APPEND, 0) // switched on
		content(t, p, "XY23abcd")
	})
}

func TestAppendUnderWriteback(t *testing.T) {
	dir := t.TempDir()
	p := newFile(t, dir, "f", "0123")
	c := newClient(t, dir, Defaults(), vfs.Options{Writeback: true})
	n := c.lookup("f")
	fh := c.open(n, unix.O_WRONLY|unix.O_APPEND)
	c.write(n, fh, 1, "ab", unix.O_APPEND, abi.WriteCache) // the kernel has placed it
	content(t, p, "0ab3")
	if e, b := c.read(n, fh, 0, 4, 0); e != vfs.OK || string(b) != "0ab3" {
		t.Fatalf("the kernel cannot read what it overwrites in part: %v %q", e, b)
	}
}

func TestOpenFlags(t *testing.T) {
	dir := t.TempDir()
	p := newFile(t, dir, "f", "0123")
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("f", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, dir, Defaults(), vfs.Options{})
	n := c.lookup("f")
	for _, bad := range []uint32{unix.O_CREAT | unix.O_EXCL, unix.O_PATH, unix.O_TMPFILE, unix.O_DIRECTORY, unix.O_TRUNC} {
		e, out := c.tryOpen(n, unix.O_RDWR|bad, 0)
		c.is(e, vfs.OK)
		if e, b := c.read(n, out.Fh, 0, 9, 0); e != vfs.OK || string(b) != "0123" {
			t.Fatalf("opened with %#x: %v %q", bad, e, b)
		}
	}
	content(t, p, "0123")
	for _, name := range []string{"fifo", "link"} {
		if e, _ := c.tryOpen(c.lookup(name), unix.O_RDWR|unix.O_NONBLOCK, 0); e == vfs.OK {
			t.Error("opened:", name)
		}
	}
	if e, _ := c.tryOpen(abi.RootID, unix.O_RDONLY, 0); e == vfs.OK {
		t.Error("a directory opened as a file")
	}
	a := newClient(t, dir, Defaults(), vfs.Options{AtomicTrunc: true})
	a.open(a.lookup("f"), unix.O_WRONLY|unix.O_TRUNC)
	content(t, p, "")
}

func TestReadOnlyFiles(t *testing.T) {
	dir := t.TempDir()
	p := newFile(t, dir, "f", "0123")
	o := Defaults()
	o.ReadOnly = true
	c := newClient(t, dir, o, vfs.Options{AtomicTrunc: true})
	n := c.lookup("f")
	for _, flags := range []uint32{unix.O_WRONLY, unix.O_RDWR, unix.O_RDONLY | unix.O_TRUNC, unix.O_ACCMODE} {
		e, _ := c.tryOpen(n, flags, 0)
		c.is(e, vfs.EROFS)
	}
	fh := c.open(n, unix.O_RDONLY)
	e, _ := c.write(n, fh, 0, "x", 0, 0)
	c.is(e, vfs.EROFS)
	e, _ = c.do(abi.OpFallocate, n, abi.Bytes(&abi.FallocateIn{Fh: fh, Length: 100}))
	c.is(e, vfs.EROFS)
	e, _ = c.do(abi.OpCopyFileRange, n, abi.Bytes(&abi.CopyFileRangeIn{FhIn: fh, FhOut: fh, NodeIDOut: n, OffOut: 10, Len: 2}))
	c.is(e, vfs.EROFS)
	e, _ = c.ioctl(n, fh, iocSetflags, []byte{0, 0, 0, 0}, 0)
	c.is(e, vfs.EROFS)
	content(t, p, "0123")
}

func TestSealSize(t *testing.T) {
	dir := t.TempDir()
	p := newFile(t, dir, "f", "0123")
	o := Defaults()
	o.SealSize = true
	c := newClient(t, dir, o, vfs.Options{AtomicTrunc: true})
	n := c.lookup("f")
	fh := c.open(n, unix.O_RDWR)
	e, _ := c.write(n, fh, 0, "abcd", 0, 0)
	c.is(e, vfs.OK)
	for _, w := range []struct {
		off          int64
		data         string
		flags, cache uint32
	}{{1, "abcd", 0, 0}, {4, "x", 0, 0}, {0, "x", unix.O_APPEND, 0}} {
		e, _ = c.write(n, fh, w.off, w.data, w.flags, w.cache)
		c.is(e, vfs.EPERM)
	}
	for mode, want := range map[uint32]vfs.Errno{0: vfs.EPERM, unix.FALLOC_FL_KEEP_SIZE: vfs.OK, unix.FALLOC_FL_COLLAPSE_RANGE: vfs.EPERM, unix.FALLOC_FL_INSERT_RANGE: vfs.EPERM} {
		e, _ = c.do(abi.OpFallocate, n, abi.Bytes(&abi.FallocateIn{Fh: fh, Length: 4096, Mode: mode}))
		c.is(e, want)
	}
	e, _ = c.do(abi.OpCopyFileRange, n, abi.Bytes(&abi.CopyFileRangeIn{FhIn: fh, FhOut: fh, NodeIDOut: n, OffOut: 3, Len: 2}))
	c.is(e, vfs.EPERM)
	e, _ = c.tryOpen(n, unix.O_RDWR|unix.O_TRUNC, 0)
	c.is(e, vfs.EPERM)
	content(t, p, "abcd")
}

func TestKillSuidgid(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		p := newFile(t, dir, "f", "0123")
		set := func() {
			t.Helper()
			if err := unix.Chmod(p, 0o6777); err != nil {
				t.Fatal(err)
			}
			setcap(t, p)
		}
		mode := func() uint32 {
			t.Helper()
			var st unix.Stat_t
			if err := unix.Stat(p, &st); err != nil {
				t.Fatal(err)
			}
			return st.Mode & 0o7777
		}
		hasCap := func() bool {
			_, err := unix.Getxattr(p, "security.capability", make([]byte, 64))
			return err == nil
		}
		c := newClient(t, dir, Defaults(), vfs.Options{AtomicTrunc: true})
		n := c.lookup("f")
		fh := c.open(n, unix.O_RDWR)
		set()
		c.write(n, fh, 0, "a", 0, 0) // root may
		if mode() != 0o6777 || hasCap() {
			t.Fatalf("mode %o, capability %v after root's write", mode(), hasCap())
		}
		set()
		if e, done := c.write(n, fh, 1, "bc", 0, abi.WriteKillSuidgid); e != vfs.OK || done != 2 {
			t.Fatal(e, done)
		}
		if mode() != 0o777 || hasCap() {
			t.Fatalf("mode %o, capability %v after a stranger's write", mode(), hasCap())
		}
		content(t, p, "abc3")
		set()
		c.write(n, fh, 0, "de", unix.O_APPEND, abi.WriteKillSuidgid)
		if mode() != 0o777 {
			t.Fatalf("mode %o after a stranger's append", mode())
		}
		content(t, p, "abc3de")
		set()
		if e, _ := c.tryOpen(n, unix.O_RDWR|unix.O_TRUNC, abi.OpenKillSuidgid); e != vfs.OK {
			t.Fatal(e)
		}
		if mode() != 0o777 {
			t.Fatalf("mode %o after a stranger's O_TRUNC", mode())
		}
		set()
		c.write(n, fh, 0, "a", 0, 0) // the right is back
		if mode() != 0o6777 {
			t.Fatalf("mode %o: the thread did not get CAP_FSETID back", mode())
		}
	})
}

// setcap gives a file a capability (struct vfs_cap_data, revision 2).
func setcap(t testing.TB, p string) {
	t.Helper()
	var b [20]byte
	binary.LittleEndian.PutUint32(b[:], 0x02000001)
	binary.LittleEndian.PutUint32(b[4:], 1<<10)
	if err := unix.Setxattr(p, "security.capability", b[:], 0); err != nil {
		t.Fatal(err)
	}
}

// A file opened with O_DIRECT serves a client that has switched the flag off, and pages of its cache, at any offset.
func TestDirectIO(t *testing.T) {
	dir := t.TempDir()
	p := newFile(t, dir, "f", string(bytes.Repeat([]byte("0123456789abcdef"), 1024)))
	c := newClient(t, dir, Defaults(), vfs.Options{})
	n := c.lookup("f")
	fh := c.open(n, unix.O_RDWR|unix.O_DIRECT)
	if x := c.fs.files.get(uint64(1)); !x.Direct {
		t.Fatal("not opened with O_DIRECT")
	}
	if e, b := c.read(n, fh, 3, 5, 0); e != vfs.OK || string(b) != "34567" {
		t.Fatal(e, string(b))
	}
	if e, _ := c.read(n, fh, 3, 5, unix.O_DIRECT); e != vfs.EINVAL {
		t.Fatal("an unaligned direct read:", e)
	}
	if e, done := c.write(n, fh, 5, "x", unix.O_DIRECT, abi.WriteCache); e != vfs.OK || done != 1 {
		t.Fatal(e, done)
	}
	before := openFDs(t)
	c.release(n, fh)
	if n := openFDs(t); n != before-2 {
		t.Fatalf("%d descriptors closed, want 2", before-n)
	}
	o := Defaults()
	o.NoDirectIO = true
	c = newClient(t, dir, o, vfs.Options{})
	n = c.lookup("f")
	fh = c.open(n, unix.O_RDWR|unix.O_DIRECT)
	if e, b := c.read(n, fh, 3, 5, unix.O_DIRECT); e != vfs.OK || string(b) != "34x67" {
		t.Fatal(e, string(b), p)
	}
}

func TestCachePolicyOfOpen(t *testing.T) {
	dir := t.TempDir()
	p := newFile(t, dir, "f", "0123")
	flags := func(c *client) uint32 {
		t.Helper()
		e, out := c.tryOpen(c.lookup("f"), unix.O_RDONLY, 0)
		c.is(e, vfs.OK)
		return out.OpenFlags & (abi.FopenKeepCache | abi.FopenDirectIO)
	}
	for pol, want := range map[Cache]uint32{CacheNever: abi.FopenDirectIO, CacheMetadata: abi.FopenDirectIO, CacheAlways: abi.FopenKeepCache} {
		o := Defaults()
		o.Cache = pol
		if got := flags(newClient(t, dir, o, vfs.Options{})); got != want {
			t.Errorf("%v: %#x", pol, got)
		}
	}
	c := newClient(t, dir, Defaults(), vfs.Options{})
	old := func() { // a change is only trusted once it is old enough
		t.Helper()
		time.Sleep(2 * restless)
	}
	old()
	if flags(c) != 0 {
		t.Error("data kept of a file that was never opened before")
	}
	if flags(c) != abi.FopenKeepCache {
		t.Error("data of an unchanged file dropped")
	}
	if err := os.WriteFile(p, []byte("4567"), 0o644); err != nil {
		t.Fatal(err)
	}
	old()
	if flags(c) != 0 {
		t.Error("data of a changed file kept")
	}
	if flags(c) != abi.FopenKeepCache {
		t.Error("data of an unchanged file dropped")
	}
	c.fs.Retain(c.fs.Root())
	c2 := attach(t, c.fs, vfs.Options{})
	if flags(c2) != 0 || flags(c) != 0 {
		t.Error("data kept because of what another client saw")
	}
}

func TestNoflush(t *testing.T) {
	dir := tmpfs(t)
	newFile(t, dir, "f", "")
	for local, want := range map[bool]uint32{false: 0, true: abi.FopenNoflush} {
		c := newClient(t, dir, Defaults(), vfs.Options{LocalLocks: local})
		_, out := c.tryOpen(c.lookup("f"), unix.O_RDWR, 0)
		if out.OpenFlags&abi.FopenNoflush != want {
			t.Errorf("local locks %v: %#x", local, out.OpenFlags)
		}
	}
}

// A caller with a transport of its own gets appends right too.
func TestAppendByMessage(t *testing.T) {
	dir := t.TempDir()
	p := newFile(t, dir, "f", "0123")
	c := newClient(t, dir, Defaults(), vfs.Options{})
	n := c.lookup("f")
	fh := c.open(n, unix.O_WRONLY|unix.O_APPEND)
	in := abi.WriteIn{Fh: fh, Size: 2, Flags: unix.O_APPEND}
	h := abi.InHeader{Opcode: abi.OpWrite, Unique: 1 << 40, NodeID: n, Len: abi.HeaderSize + uint32(len(abi.Bytes(&in))) + 2}
	msg := append(append(append([]byte(nil), abi.Bytes(&h)...), abi.Bytes(&in)...), "ab"...)
	out := make([]byte, 4096)
	if got := c.c.HandleMessage(msg, out); got != abi.OutHeaderSize+8 {
		t.Fatalf("a reply of %d bytes: %v", got, out[:max(got, 16)])
	}
	content(t, p, "0123ab")
}
