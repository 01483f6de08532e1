//go:build linux

package passthrough

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// Every entry once, with the number, the type and, where asked, the node that LOOKUP gives; replies of any size.
func TestListing(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		const n = 500
		for i := range n {
			newFile(t, dir, "file-"+strconv.Itoa(i), "")
		}
		special(t, dir)
		dirs(t, dir, 10)
		c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
		fh := c.opendir(abi.RootID)
		for _, plus := range []bool{false, true} {
			for _, size := range []uint32{200, 4096, 65536} {
				seen := map[string]bool{}
				for _, d := range c.listAll(abi.RootID, fh, size, plus) {
					if seen[d.name] {
						t.Fatalf("%s is listed twice", d.name)
					}
					seen[d.name] = true
					if d.name == "." || d.name == ".." {
						if d.node != 0 || d.typ != unix.DT_DIR {
							t.Errorf("%s: node %d, type %d", d.name, d.node, d.typ)
						}
						continue
					}
					e := c.find(abi.RootID, d.name)
					if d.ino != e.Attr.Ino || d.typ != e.Attr.Mode&unix.S_IFMT>>12 {
						t.Errorf("%s: inode %d, type %d; lookup says %d, mode %o", d.name, d.ino, d.typ, e.Attr.Ino, e.Attr.Mode)
					}
					if plus && (d.node != e.NodeID || d.attrIno != d.ino) {
						t.Errorf("%s: node %d, attribute inode %d; lookup says node %d", d.name, d.node, d.attrIno, e.NodeID)
					}
				}
				if len(seen) != n+len(special0)+10+2 {
					t.Errorf("%d entries (plus %v, size %d)", len(seen), plus, size)
				}
			}
		}
		c.releasedir(abi.RootID, fh)
	})
}

// special0 are the kinds that special makes.
var special0 = [5]string{"fifo", "null", "disk", "sock", "link"}

// What a listing brought is forgotten without a trace.
func TestReaddirplusForget(t *testing.T) {
	dir := tmpfs(t)
	dirs(t, dir, 300)
	c := newClient(t, dir, Defaults(), vfs.Options{})
	nodes0, _ := c.c.Live()
	fds0 := openFDs(t)
	fh := c.opendir(abi.RootID)
	for _, d := range c.listAll(abi.RootID, fh, 4096, true) {
		if d.node != 0 {
			c.forget(d.node, 1)
		}
	}
	c.releasedir(abi.RootID, fh)
	eventually(t, "all nodes are gone", func() bool { n, _ := c.c.Live(); return n == nodes0 })
	if n := openFDs(t); n > fds0+1 {
		t.Errorf("%d descriptors became %d", fds0, n)
	}
}

// Cookies hold while others add and remove: what is there all the time is listed exactly once.
func TestCookies(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		const stay = 300
		for i := range stay {
			newFile(t, dir, "stay-"+strconv.Itoa(i), "")
		}
		c := newClient(t, dir, Defaults(), vfs.Options{})
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					p := filepath.Join(dir, "come-"+strconv.Itoa(i%50))
					_ = os.WriteFile(p, nil, 0o600)
					_ = os.Remove(p)
				}
			}
		})
		fh := c.opendir(abi.RootID)
		for range 10 {
			seen := map[string]int{}
			for _, d := range c.listAll(abi.RootID, fh, 512, true) {
				seen[d.name]++
				if d.node != 0 {
					c.forget(d.node, 1)
				}
			}
			for i := range stay {
				if n := seen["stay-"+strconv.Itoa(i)]; n != 1 {
					t.Fatalf("stay-%d is listed %d times", i, n)
				}
			}
		}
		close(stop)
		wg.Wait()
		all := c.listAll(abi.RootID, fh, 4096, false)
		for _, i := range []int{7, 200, 20, 299, 0} { // seekdir(3)
			rest := c.list(abi.RootID, fh, all[i].next, 4096, false)
			if rest[0].name != all[i+1].name {
				t.Errorf("after %s comes %s instead of %s", all[i].name, rest[0].name, all[i+1].name)
			}
		}
		c.releasedir(abi.RootID, fh)
	})
}

// A long listing on a loop ends early, having made progress; nothing is lost.
func TestListingGivesWay(t *testing.T) {
	if !long(vfs.Clock()-int64(time.Second)) || long(0) || long(vfs.Clock()+int64(time.Hour)) {
		t.Fatal("which calls are long?")
	}
	dir := t.TempDir()
	for i := range 3000 {
		newFile(t, dir, strconv.Itoa(i), "")
	}
	c := newClient(t, dir, Defaults(), vfs.Options{})
	fh := c.opendir(abi.RootID)
	if n := len(c.listAll(abi.RootID, fh, 1<<20, true)); n != 3002 {
		t.Errorf("%d entries", n)
	}
	c.releasedir(abi.RootID, fh)
}

func TestNoReaddir(t *testing.T) {
	dir := tmpfs(t)
	newFile(t, dir, "f", "")
	o := Defaults()
	o.NoReaddir = true
	c := newClient(t, dir, o, vfs.Options{})
	fh := c.opendir(abi.RootID)
	if l := c.listAll(abi.RootID, fh, 4096, false); len(l) != 0 {
		t.Errorf("listed: %v", l)
	}
	c.releasedir(abi.RootID, fh)
	c.lookup("f")
}

func TestNegative(t *testing.T) {
	dir := tmpfs(t)
	c := newClient(t, dir, Defaults(), vfs.Options{})
	if e, _ := c.entry(abi.OpLookup, abi.RootID, cstr("none")); e != vfs.ENOENT {
		t.Error(e)
	}
	o := Defaults()
	o.NegativeTimeout = 1500 * time.Millisecond
	o.EntryTimeout, o.AttrTimeout, o.DirEntryTimeout, o.DirAttrTimeout = 2*time.Second, 3*time.Second, 4*time.Second, 5*time.Second
	c = newClient(t, dir, o, vfs.Options{})
	e, out := c.entry(abi.OpLookup, abi.RootID, cstr("none"))
	if e != vfs.OK || out.NodeID != 0 || out.EntryValid != 1 || out.EntryValidNsec != 5e8 {
		t.Errorf("%v, node %d for %d.%09d s", e, out.NodeID, out.EntryValid, out.EntryValidNsec)
	}
	newFile(t, dir, "f", "")
	dirs(t, dir, 1)
	if f := c.find(abi.RootID, "f"); f.EntryValid != 2 || f.AttrValid != 3 {
		t.Errorf("a file's name holds %d s, its attributes %d s", f.EntryValid, f.AttrValid)
	}
	if d := c.find(abi.RootID, "0"); d.EntryValid != 4 || d.AttrValid != 5 {
		t.Errorf("a directory's name holds %d s, its attributes %d s", d.EntryValid, d.AttrValid)
	}
}
