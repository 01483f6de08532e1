//go:build linux

package passthrough

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// nested is a tmpfs with a file f and another tmpfs, which holds a file f, on its directory sub.
func nested(t *testing.T) (dir, sub string) {
	t.Helper()
	dir = tmpfs(t)
	sub = filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("fastfsd-test", sub, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(sub, unix.MNT_DETACH) }) // most tests have unmounted it
	newFile(t, dir, "f", "outer")
	newFile(t, sub, "f", "inner")
	return dir, sub
}

func TestSubmount(t *testing.T) {
	dir, sub := nested(t)
	c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
	s := c.find(abi.RootID, "sub")
	in := c.find(s.NodeID, "f")
	numbers := map[uint64]string{}
	for name, ino := range map[string]uint64{
		"root": func() uint64 { _, a := c.getattr(abi.RootID); return a.Ino }(),
		"f":    c.find(abi.RootID, "f").Attr.Ino, "sub": s.Attr.Ino, "sub/f": in.Attr.Ino,
	} {
		if other, ok := numbers[ino]; ok {
			t.Errorf("%s and %s have inode number %d", name, other, ino)
		}
		numbers[ino] = name
	}
	fh := c.opendir(s.NodeID)
	for _, plus := range []bool{false, true} {
		for _, d := range c.listAll(s.NodeID, fh, 4096, plus) {
			if d.name == "f" && d.ino != in.Attr.Ino {
				t.Errorf("listed as inode %d instead of %d (plus %v)", d.ino, in.Attr.Ino, plus)
			}
		}
	}
	c.releasedir(s.NodeID, fh)
	c.is(c.rename(abi.RootID, "f", s.NodeID, "g", 0), vfs.EXDEV)
	e, _ := c.entry(abi.OpLink, s.NodeID, abi.Bytes(&abi.LinkIn{OldNodeID: c.lookup("f")}), cstr("g"))
	c.is(e, vfs.EXDEV)

	if err := unix.Unmount(sub, 0); err != unix.EBUSY {
		t.Errorf("unmount while the client knows it: %v", err)
	}
	c.forget(in.NodeID, 2) // one by READDIRPLUS
	c.forget(s.NodeID, 1)
	if err := unix.Unmount(sub, 0); err != nil {
		t.Errorf("unmount: %v", err)
	}
	if e := c.find(abi.RootID, "sub"); e.NodeID == s.NodeID {
		t.Error("the directory below is the node of what was mounted on it")
	}
}

// A loop does not step onto another mount: it may be that of a server which is dead.
func TestMountPointsOffTheLoop(t *testing.T) {
	dir, _ := nested(t)
	fs, err := New(dir, Defaults())
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Forget(fs.root, 1)
	root := fs.node(fs.root)
	var e vfs.Entry
	if errno := fs.lookup(root, vfs.MakeName("sub"), true, &e); errno != vfs.WouldBlock {
		t.Fatal(errno)
	}
	if errno := fs.lookup(root, vfs.MakeName("f"), true, &e); errno != vfs.OK {
		t.Fatal(errno)
	}
	fs.Forget(e.Key, 1)
	if errno := fs.lookup(root, vfs.MakeName("sub"), false, &e); errno != vfs.OK {
		t.Fatal(errno)
	}
	fs.Forget(e.Key, 1)
	if n := len(fs.mounts.byID); n != 1 {
		t.Errorf("%d mounts are left", n)
	}
}

func TestHostIno(t *testing.T) {
	dir, sub := nested(t)
	o := Defaults()
	o.HostIno = true
	c := newClient(t, dir, o, vfs.Options{})
	s := c.find(abi.RootID, "sub")
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(sub, "f"), &st); err != nil {
		t.Fatal(err)
	}
	if in := c.find(s.NodeID, "f"); in.Attr.Ino != st.Ino {
		t.Errorf("inode number %d instead of the host's %d", in.Attr.Ino, st.Ino)
	}
}

// Mounts come and go under lookups of all threads; in the end none is left but the root's.
func TestMountStorm(t *testing.T) {
	dir, sub := nested(t)
	fs, err := New(dir, Defaults())
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Forget(fs.root, 1)
	before := openFDs(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				var s, f vfs.Entry
				if e := fs.lookup(fs.node(fs.root), vfs.MakeName("sub"), false, &s); e != 0 {
					t.Error(e)
					return
				}
				if e := fs.lookup(fs.node(s.Key), vfs.MakeName("f"), false, &f); e != 0 {
					t.Error(e)
				} else {
					fs.Forget(f.Key, 1)
				}
				fs.Forget(s.Key, 1)
			}
		})
	}
	wg.Wait()
	if n := len(fs.mounts.byID); n != 1 {
		t.Errorf("%d mounts are left", n)
	}
	if n := openFDs(t); n > before+1 {
		t.Errorf("%d descriptors became %d", before, n)
	}
	if err := unix.Unmount(sub, 0); err != nil {
		t.Error("unmount:", err)
	}
}
