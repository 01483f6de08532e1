//go:build linux

package passthrough

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// A million walked files are to cost less than 200 MB: 88 bytes here, a handle included, 56 of the connection's node, and for each
// of the two 5 to 11 of an index, twice until the collector has taken the smaller one that it was.
func TestInodeSize(t *testing.T) {
	if n := unsafe.Sizeof(inode{}); n > 88 {
		t.Fatalf("an inode takes %d bytes", n)
	}
}

func TestIdentity(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		a, b := newFile(t, dir, "a", "one"), filepath.Join(dir, "b")
		if err := os.Link(a, b); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
		ea, eb := c.find(abi.RootID, "a"), c.find(abi.RootID, "b")
		if ea.NodeID != eb.NodeID {
			t.Fatal("two names of one file are two nodes")
		}
		if r := c.inode(a).refs; r != 2 {
			t.Fatalf("%d references after two lookups", r)
		}
		for range 20 { // a new file is a new node, even if the host gives it the inode number of the old one
			old := c.find(abi.RootID, "a")
			if err := errors.Join(os.Remove(a), os.RemoveAll(b)); err != nil {
				t.Fatal(err)
			}
			newFile(t, dir, "a", "two")
			e := c.find(abi.RootID, "a")
			if e.NodeID == old.NodeID {
				t.Fatal("a new file is the old node")
			}
			if e, _ := c.getattr(old.NodeID); e == vfs.OK {
				t.Fatal("a file that is gone has attributes")
			}
			if fh := c.open(e.NodeID, unix.O_RDONLY); fh != 0 {
				_, data := c.read(e.NodeID, fh, 0, 10, 0)
				if string(data) != "two" {
					t.Fatalf("read %q", data)
				}
				c.release(e.NodeID, fh)
			}
		}
	})
}

// A name is entered without opening it where the handle proves whose it is, and never where it does not.
func TestHandleUnderName(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		newFile(t, dir, "f", "contents")
		newFile(t, dir, "other", "")
		names := []string{"f"}
		for name := range special(t, dir) {
			names = append(names, name)
		}
		c := newClient(t, dir, Defaults(), vfs.Options{})
		root := c.fs.node(c.fs.root)
		dfd, e := c.fs.hold(root)
		c.is(e, vfs.OK)
		defer c.fs.unhold(root)
		m := c.fs.mounts.get(root.mnt)
		other := vfs.MakeName("other")
		for _, s := range names {
			var st unix.Statx_t
			name := vfs.MakeName(s)
			c.is(statx(dfd, name.Ptr(), unix.AT_SYMLINK_NOFOLLOW, &st), vfs.OK)
			var h fileHandle
			if !h.at(dfd, name, m, &st) {
				t.Errorf("%s: no handle", s)
			}
			if h.at(dfd, other, m, &st) {
				t.Errorf("%s: took another file's handle", s)
			}
			c.find(abi.RootID, s)
			n := c.inode(filepath.Join(dir, s))
			if n.hlen == 0 || n.fd.Load() >= 0 {
				t.Errorf("%s: handle of %d bytes, descriptor %d", s, n.hlen, n.fd.Load())
			}
			if e, a := c.getattr(c.lookup(s)); e != vfs.OK || a.Mode != uint32(st.Mode) {
				t.Errorf("%s: %v, mode %o instead of %o", s, e, a.Mode, st.Mode)
			}
		}
	})
}

func TestHandlesNever(t *testing.T) {
	dir := tmpfs(t)
	o := Defaults()
	o.InodeHandles = HandlesNever
	o.FDBudget = 8
	c := newClient(t, dir, o, vfs.Options{})
	before := openFDs(t)
	var nodes []uint64
	for i := range 300 {
		name := string(rune('a'+i%26)) + string(rune('a'+i/26))
		newFile(t, dir, name, "")
		nodes = append(nodes, c.lookup(name))
	}
	if n := openFDs(t) - before; n != len(nodes) {
		t.Errorf("%d descriptors for %d nodes", n, len(nodes))
	}
	for _, n := range nodes {
		c.forget(n, 1)
	}
	if n := openFDs(t) - before; n != 0 {
		t.Errorf("%d descriptors left", n)
	}
}

func TestHandlesMandatory(t *testing.T) {
	o := Defaults()
	o.InodeHandles = HandlesMandatory
	before := openFDs(t)
	if _, err := New("/proc/self", o); !errors.Is(err, ErrNoHandles) {
		t.Errorf("procfs: %v", err)
	}
	if n := openFDs(t); n != before {
		t.Errorf("%d descriptors became %d", before, n)
	}
	newClient(t, tmpfs(t), o, vfs.Options{})
}

func TestSlab(t *testing.T) {
	var s slab[int]
	if s.get(0) != nil || s.get(1) != nil || s.get(^uint64(0)) != nil || s.get(1<<40) != nil {
		t.Fatal("a number that was never given out has a value")
	}
	const n = 3 * slabLen << midBits / 2 // into the second page
	for i := uint64(1); i <= n; i++ {
		k, v := s.alloc()
		if k != i {
			t.Fatalf("number %d instead of %d", k, i)
		}
		*v = int(k)
	}
	for i := uint64(1); i <= n; i += 777 {
		if *s.get(i) != int(i) {
			t.Fatalf("%d holds %d", i, *s.get(i))
		}
	}
	s.put(5)
	if k, _ := s.alloc(); k != 5 {
		t.Fatalf("a free number is not used again: %d", k)
	}
}
