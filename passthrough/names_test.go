//go:build linux

package passthrough

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

func (c *client) rename(d1 uint64, n1 string, d2 uint64, n2 string, flags uint32) vfs.Errno {
	c.t.Helper()
	e, _ := c.do(abi.OpRename2, d1, abi.Bytes(&abi.Rename2In{NewDir: d2, Flags: flags}), cstr(n1), cstr(n2))
	return e
}

func TestRename(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		newFile(t, dir, "a", "A")
		newFile(t, dir, "b", "B")
		if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
		d := c.lookup("d")
		a := c.lookup("a")
		c.is(c.rename(abi.RootID, "a", abi.RootID, "b", unix.RENAME_NOREPLACE), vfs.EEXIST)
		c.is(c.rename(abi.RootID, "a", abi.RootID, "none", unix.RENAME_EXCHANGE), vfs.ENOENT)
		c.is(c.rename(abi.RootID, "a", abi.RootID, "b", unix.RENAME_EXCHANGE), vfs.OK)
		content(t, filepath.Join(dir, "a"), "B")
		content(t, filepath.Join(dir, "b"), "A")
		if c.lookup("b") != a {
			t.Error("a renamed file is another node")
		}
		c.is(c.rename(abi.RootID, "b", d, "c", unix.RENAME_NOREPLACE), vfs.OK)
		content(t, filepath.Join(dir, "d/c"), "A")
		c.is(c.rename(abi.RootID, "d", d, "into itself", 0), vfs.EINVAL)
		c.is(c.rename(abi.RootID, "a", abi.RootID, "d", 0), vfs.EISDIR)
		c.is(c.rename(abi.RootID, "d", abi.RootID, "a", 0), vfs.ENOTDIR)
		c.is(c.rename(abi.RootID, "a", abi.RootID, "w", unix.RENAME_WHITEOUT), vfs.OK)
		if e := c.find(abi.RootID, "a"); e.Attr.Mode&unix.S_IFMT != unix.S_IFCHR || e.Attr.Rdev != 0 {
			t.Errorf("no whiteout stays behind: mode %o", e.Attr.Mode)
		}
		content(t, filepath.Join(dir, "w"), "B")
	})
}

// Any bytes but NUL and slash are a name, up to 255 of them.
func TestOddNames(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
		names := []string{"\xff\xfe", "a\nb", " ", "...", "\x01", "%s", "e\u0301", "\u00e9", strings.Repeat("\xe9", 255)}
		for _, name := range names {
			e, out, fh := c.create(abi.RootID, name, unix.O_RDWR|unix.O_EXCL, 0o644)
			if e != vfs.OK {
				t.Fatalf("create %q: %v", name, e)
			}
			c.release(out.NodeID, fh)
			if c.lookup(name) != out.NodeID {
				t.Errorf("%q is another node", name)
			}
			if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
		}
		fh := c.opendir(abi.RootID)
		seen := map[string]bool{}
		for _, d := range c.listAll(abi.RootID, fh, 4096, false) {
			seen[d.name] = true
		}
		c.releasedir(abi.RootID, fh)
		for _, name := range names {
			if !seen[name] {
				t.Errorf("%q is not listed", name)
			}
			if e, _ := c.do(abi.OpUnlink, abi.RootID, cstr(name)); e != vfs.OK {
				t.Errorf("unlink %q: %v", name, e)
			}
		}
	})
}

func TestSpecialFiles(t *testing.T) {
	dir := tmpfs(t)
	kinds := special(t, dir)
	c := newClient(t, dir, Defaults(), vfs.Options{})
	for name, typ := range kinds {
		e := c.find(abi.RootID, name)
		if e.Attr.Mode&unix.S_IFMT != typ {
			t.Errorf("%s: mode %o", name, e.Attr.Mode)
		}
		before := openFDs(t)
		for _, flags := range []uint32{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR, unix.O_RDONLY | unix.O_NONBLOCK, unix.O_PATH} {
			if errno, _ := c.tryOpen(e.NodeID, flags, 0); errno != vfs.ENXIO {
				t.Errorf("open %s with %#x: %v", name, flags, errno)
			}
		}
		if errno, _ := c.do(abi.OpOpendir, e.NodeID, abi.Bytes(&abi.OpenIn{})); errno != vfs.ENOTDIR {
			t.Errorf("opendir %s: %v", name, errno)
		}
		if errno := c.setattr(e.NodeID, abi.SetattrIn{Valid: abi.FattrSize}); errno == vfs.OK {
			t.Errorf("%s was truncated", name)
		}
		if n := openFDs(t); n > before {
			t.Errorf("%s: %d descriptors became %d", name, before, n)
		}
	}
	if a := c.find(abi.RootID, "null").Attr; a.Rdev != 1<<8|3 {
		t.Errorf("rdev %#x", a.Rdev)
	}
	for _, dev := range [][2]uint32{{1, 3}, {4095, 1<<20 - 1}, {259, 300}} {
		if ma, mi := decodeDev(encodeDev(dev[0], dev[1])); ma != dev[0] || mi != dev[1] {
			t.Errorf("device %v became %d, %d", dev, ma, mi)
		}
	}
}

func TestHardLinks(t *testing.T) {
	dir := tmpfs(t)
	newFile(t, dir, "f", "x")
	special(t, dir)
	c := newClient(t, dir, Defaults(), vfs.Options{})
	for _, name := range []string{"f", "link", "fifo", "null"} {
		n := c.lookup(name)
		e, out := c.entry(abi.OpLink, abi.RootID, abi.Bytes(&abi.LinkIn{OldNodeID: n}), cstr(name+"2"))
		if e != vfs.OK || out.NodeID != n || out.Attr.Nlink != 2 {
			t.Errorf("%s: %v, node %d instead of %d, %d links", name, e, out.NodeID, n, out.Attr.Nlink)
		}
	}
	if to, err := os.Readlink(filepath.Join(dir, "link2")); err != nil || to != "/etc/hostname" {
		t.Errorf("the link to a symlink leads to %q, %v", to, err)
	}
	if e, _ := c.entry(abi.OpLink, abi.RootID, abi.Bytes(&abi.LinkIn{OldNodeID: abi.RootID}), cstr("r")); e != vfs.EPERM {
		t.Error("a link to a directory:", e)
	}
}

// Directory and symlink change places under every name call: none ever reaches what the symlink leads to.
func TestSymlinkRace(t *testing.T) {
	outside, dir := t.TempDir(), tmpfs(t)
	newFile(t, outside, "secret", "secret")
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o777); err != nil {
		t.Fatal(err)
	}
	newFile(t, filepath.Join(dir, "a"), "secret", "mine")
	if err := os.Symlink(outside, filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	want, _, _ := owner(t, filepath.Join(outside, "secret"))
	c := newClient(t, dir, Defaults(), vfs.Options{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
			}
		}
	})
	for range 1500 {
		e, d := c.entry(abi.OpLookup, abi.RootID, cstr("a"))
		c.is(e, vfs.OK)
		if e, f := c.entry(abi.OpLookup, d.NodeID, cstr("secret")); e == vfs.OK {
			fh := c.open(f.NodeID, unix.O_RDONLY)
			if _, b := c.read(f.NodeID, fh, 0, 10, 0); string(b) != "mine" {
				t.Fatalf("read %q", b)
			}
			c.release(f.NodeID, fh)
			c.forget(f.NodeID, 1)
		}
		for what, f := range c.makers() {
			if e := f(d.NodeID, "new-"+what, 0o777); e == vfs.OK {
				if e, _ := c.do(abi.OpUnlink, d.NodeID, cstr("new-"+what)); e != vfs.OK && e != vfs.EISDIR {
					t.Fatal(e)
				}
				c.do(abi.OpRmdir, d.NodeID, cstr("new-"+what))
			}
		}
		c.setattr(d.NodeID, abi.SetattrIn{Valid: abi.FattrUID, UID: 99})
		c.do(abi.OpSetxattr, d.NodeID, abi.Bytes(&abi.SetxattrIn{Size: 1}), cstr("trusted.x"), []byte("1"))
		c.forget(d.NodeID, 1)
	}
	close(stop)
	wg.Wait()
	list, err := os.ReadDir(outside)
	if err != nil || len(list) != 1 {
		t.Fatalf("the other directory holds %v, %v", list, err)
	}
	if u, _, _ := owner(t, outside); u != want {
		t.Errorf("its owner is %d", u)
	}
	if n, err := unix.Listxattr(outside, nil); err != nil || n != 0 {
		t.Errorf("it has attributes: %d, %v", n, err)
	}
}
