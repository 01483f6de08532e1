//go:build linux

package passthrough

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// dirs makes n directories, whose descriptors are kept as long as there is room.
func dirs(t testing.TB, dir string, n int) {
	t.Helper()
	for i := range n {
		if err := os.Mkdir(filepath.Join(dir, strconv.Itoa(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBudget(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		const budget, n = 32, 2000
		dirs(t, dir, n)
		o := Defaults()
		o.FDBudget = budget
		c := newClient(t, dir, o, vfs.Options{})
		before := openFDs(t)
		entries := make([]abi.EntryOut, n)
		for i := range entries {
			entries[i] = c.find(abi.RootID, strconv.Itoa(i))
		}
		for _, e := range entries {
			errno, a := c.getattr(e.NodeID)
			if errno != vfs.OK || a.Ino != e.Attr.Ino {
				t.Fatalf("inode %d became %d: %v", e.Attr.Ino, a.Ino, errno)
			}
		}
		if got := openFDs(t) - before; got > budget+4 {
			t.Errorf("%d descriptors for %d nodes, budget %d", got, n, budget)
		}
		if l := len(c.fs.fds.list); l > budget+4 {
			t.Errorf("the clock has %d inodes", l)
		}
		for _, e := range entries {
			c.forget(e.NodeID, 1)
		}
		if got := c.fs.fds.n.Load(); got > 1 { // the root's
			t.Errorf("%d descriptors count after everything was forgotten", got)
		}
	})
}

// A directory that is used all the time keeps its descriptor, but for a round of the clock in which all were used.
func TestClockSparesTheUsed(t *testing.T) {
	dir := tmpfs(t)
	const n, budget = 500, 16
	dirs(t, dir, n)
	o := Defaults()
	o.FDBudget = budget
	c := newClient(t, dir, o, vfs.Options{})
	c.lookup("0")
	used := c.inode(filepath.Join(dir, "0"))
	closed := 0
	for i := 1; i < n; i++ {
		if used.fd.Load() < 0 {
			closed++
		}
		if _, e := c.fs.hold(used); e != vfs.OK {
			t.Fatal(e)
		}
		c.fs.unhold(used)
		c.lookup(strconv.Itoa(i))
	}
	if closed > n/budget/4 { // first in, first out would close it n/budget times
		t.Fatalf("closed %d times in %d lookups", closed, n)
	}
}

// FORGET waits for the clock's hand: both would close the descriptor, and the second one somebody else's.
func TestForgetMeetsHand(t *testing.T) {
	dir := tmpfs(t)
	dirs(t, dir, 1)
	fs, err := New(dir, Defaults())
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Forget(fs.root, 1)
	var e vfs.Entry
	if errno := fs.lookup(fs.node(fs.root), vfs.MakeName("0"), false, &e); errno != vfs.OK {
		t.Fatal(errno)
	}
	n := fs.node(e.Key)
	fd := n.fd.Load()
	s := fs.shard(n.hash())
	if !n.tryLock() {
		t.Fatal("somebody uses the directory")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fs.Forget(e.Key, 1)
	}()
	eventually(t, "the last reference is given back", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return n.refs == 0
	})
	time.Sleep(10 * time.Millisecond) // a wrong one has had its chance; the right one waits however long
	if n.fd.Load() != fd {
		t.Error("FORGET took the descriptor from under the hand")
	}
	n.unlock()
	<-done
	if n.fd.Load() >= 0 {
		t.Error("the descriptor is still there")
	}
}

// Lookups, uses, forgets and evictions at once: nobody ever meets another one's file.
func TestEvictionStorm(t *testing.T) {
	dir := tmpfs(t)
	const n, workers, rounds = 64, 6, 3000
	dirs(t, dir, n)
	o := Defaults()
	o.FDBudget = 8
	fs, err := New(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Forget(fs.root, 1)
	var want [n]uint64
	for i := range want {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, strconv.Itoa(i)), &st); err != nil {
			t.Fatal(err)
		}
		want[i] = st.Ino
	}
	before := openFDs(t)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 3))
			for range rounds {
				i := r.IntN(n)
				var e vfs.Entry
				if errno := fs.lookup(fs.node(fs.root), vfs.MakeName(strconv.Itoa(i)), false, &e); errno != 0 {
					t.Error("lookup:", errno)
					return
				}
				for range r.IntN(3) {
					var st vfs.Stat
					if errno := fs.getattr(fs.node(e.Key), nil, &st); errno != 0 || st.Attr.Ino != want[i] {
						t.Errorf("directory %d is inode %d instead of %d: %v", i, st.Attr.Ino, want[i], errno)
						return
					}
				}
				if r.IntN(8) == 0 {
					fs.evict(4)
				}
				fs.Forget(e.Key, 1)
			}
		})
	}
	wg.Wait()
	if got := openFDs(t); got > before+1 { // the root's may have come back
		t.Errorf("%d descriptors became %d", before, got)
	}
}

// limitFiles lets this process have only n more descriptors.
func limitFiles(t testing.TB, n int) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	low := unix.Rlimit{Cur: uint64(openFDs(t) + n), Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
}

// Out of descriptors: those of the cache go first, then the caller hears ENFILE, and all is well once files are closed.
func TestOutOfDescriptors(t *testing.T) {
	dir := tmpfs(t)
	dirs(t, dir, 20)
	newFile(t, dir, "f", "x")
	c := newClient(t, dir, Defaults(), vfs.Options{})
	for i := range 20 {
		c.lookup(strconv.Itoa(i))
	}
	node := c.lookup("f")
	limitFiles(t, 10)
	var open []uint64
	e := vfs.OK
	for len(open) < 1000 {
		var o abi.OpenOut
		if e, o = c.tryOpen(node, unix.O_RDONLY, 0); e != vfs.OK {
			break
		}
		open = append(open, o.Fh)
	}
	c.is(e, vfs.ENFILE)
	if len(open) < 25 {
		t.Errorf("only %d files: cached descriptors were not given up", len(open))
	}
	if e, _, _ := c.create(abi.RootID, "new", unix.O_RDWR, 0o600); e != vfs.ENFILE {
		t.Errorf("create: %v", e)
	}
	for _, fh := range open {
		c.release(node, fh)
	}
	e, made, fh := c.create(abi.RootID, "new2", unix.O_RDWR, 0o600)
	c.is(e, vfs.OK)
	c.release(made.NodeID, fh)
	if e, _ := c.getattr(c.lookup("3")); e != vfs.OK {
		t.Error("a directory:", e)
	}
}

// BenchmarkMillionInodes states what an inode costs in memory, the index included; no file is touched.
func BenchmarkMillionInodes(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		fs, err := New(b.TempDir(), Defaults())
		if err != nil {
			b.Fatal(err)
		}
		before := heap()
		start := time.Now()
		mnt := fs.node(fs.root).mnt
		m := fs.mounts.get(mnt)
		st := unix.Statx_t{Mnt_id: m.id, Mode: unix.S_IFREG | 0o644, Dev_major: uint32(m.dev >> 32), Dev_minor: uint32(m.dev)}
		var e vfs.Entry
		for i := range uint64(n) {
			st.Ino = 1<<40 + i
			m.refs.Add(1)
			if _, errno := fs.add(-1, &fileHandle{bytes: 8, typ: 1}, &st, mnt, &e); errno != 0 {
				b.Fatal(errno)
			}
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/n, "ns/inode")
		b.ReportMetric(float64(heap()-before)/n, "B/inode")
		if got := m.refs.Load(); got < n {
			b.Fatal(fmt.Sprint("references of the mount: ", got))
		}
		runtime.KeepAlive(fs)
	}
}

// A client that sends no OPEN works on files whose last name has gone, or that never had one, also when descriptors are short.
func TestNamelessWithoutOpen(t *testing.T) {
	dir := tmpfs(t)
	newFile(t, dir, "gone", "gone")
	newFile(t, dir, "replaced", "replaced")
	newFile(t, dir, "new", "new")
	o := Defaults()
	o.FDBudget = 64
	dirs(t, dir, 4*o.FDBudget)
	c := newClient(t, dir, o, vfs.Options{NoOpen: true, LocalLocks: true})
	gone, replaced := c.lookup("gone"), c.lookup("replaced")
	e, body := c.do(abi.OpTmpfile, abi.RootID, abi.Bytes(&abi.CreateIn{Flags: unix.O_RDWR, Mode: unix.S_IFREG | 0o600}), cstr(""))
	c.is(e, vfs.OK)
	var out abi.EntryOut
	var opened abi.OpenOut
	copy(abi.Bytes(&opened), body[copy(abi.Bytes(&out), body):])
	if opened.Fh != 0 {
		t.Errorf("a file of a client that sends no RELEASE has the handle %x", opened.Fh)
	}
	e, _ = c.do(abi.OpUnlink, abi.RootID, cstr("gone"))
	c.is(e, vfs.OK)
	e, _ = c.do(abi.OpRename, abi.RootID, abi.Bytes(&abi.RenameIn{NewDir: abi.RootID}), cstr("new"), cstr("replaced"))
	c.is(e, vfs.OK)
	for i := range 4 * o.FDBudget {
		c.lookup(strconv.Itoa(i))
	}
	for n, want := range map[uint64]string{gone: "gone", replaced: "replaced", out.NodeID: ""} {
		if e, b := c.read(n, 0, 0, 100, 0); e != vfs.OK || string(b) != want {
			t.Errorf("%q, %v instead of %q", b, e, want)
		}
	}
	before := openFDs(t)
	for _, n := range []uint64{gone, replaced, out.NodeID} {
		c.forget(n, 1)
	}
	if n := openFDs(t); n > before-3 {
		t.Errorf("%d descriptors became %d when three files were forgotten", before, n)
	}
}
