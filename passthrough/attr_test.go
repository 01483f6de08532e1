//go:build linux

package passthrough

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

func TestSetattr(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		p := newFile(t, dir, "f", "0123456789")
		c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
		n := c.lookup("f")
		set := func(in abi.SetattrIn) unix.Stat_t {
			t.Helper()
			c.is(c.setattr(n, in), vfs.OK)
			var st unix.Stat_t
			if err := unix.Stat(p, &st); err != nil {
				t.Fatal(err)
			}
			return st
		}
		if st := set(abi.SetattrIn{Valid: abi.FattrSize, Size: 4}); st.Size != 4 {
			t.Errorf("size %d", st.Size)
		}
		if st := set(abi.SetattrIn{Valid: abi.FattrSize, Size: 1 << 33}); st.Size != 1<<33 {
			t.Errorf("size %d", st.Size)
		}
		if st := set(abi.SetattrIn{Valid: abi.FattrMode, Mode: unix.S_IFREG | 0o4751}); st.Mode != unix.S_IFREG|0o4751 {
			t.Errorf("mode %o", st.Mode)
		}
		if st := set(abi.SetattrIn{Valid: abi.FattrUID, UID: 5, GID: 99}); st.Uid != 5 || st.Gid != 0 {
			t.Errorf("owner %d:%d", st.Uid, st.Gid)
		}
		if st := set(abi.SetattrIn{Valid: abi.FattrGID, UID: 99, GID: 6}); st.Uid != 5 || st.Gid != 6 {
			t.Errorf("owner %d:%d", st.Uid, st.Gid)
		}
		past := uint64(0xffffffffffffff00) // before 1970
		st := set(abi.SetattrIn{Valid: abi.FattrAtime | abi.FattrMtime, Atime: 10, AtimeNsec: 11, Mtime: past, MtimeNsec: 12})
		if st.Atim != (unix.Timespec{Sec: 10, Nsec: 11}) || st.Mtim != (unix.Timespec{Sec: -256, Nsec: 12}) {
			t.Errorf("times %v, %v", st.Atim, st.Mtim)
		}
		st = set(abi.SetattrIn{Valid: abi.FattrMtime | abi.FattrMtimeNow | abi.FattrCtime, Mtime: 3, Ctime: 4})
		if d := time.Since(time.Unix(st.Mtim.Unix())); st.Atim.Sec != 10 || d < 0 || d > time.Hour || st.Ctim.Sec == 4 {
			t.Errorf("times %v, %v, %v", st.Atim, st.Mtim, st.Ctim)
		}
		c.is(c.setattr(n, abi.SetattrIn{Valid: abi.FattrAtime, AtimeNsec: 2e9}), vfs.EINVAL)
		c.is(c.setattr(n, abi.SetattrIn{Valid: abi.FattrSize, Size: 1 << 63}), vfs.EINVAL)
		set(abi.SetattrIn{Valid: abi.FattrUID | abi.FattrGID, UID: ^uint32(0), GID: ^uint32(0)})
		e, a := c.getattr(n)
		if e != vfs.OK || a.UID != 5 || a.GID != 6 || a.Size != 1<<33 {
			t.Errorf("%v: %d:%d, size %d", e, a.UID, a.GID, a.Size)
		}
	})
}

// What is open and has no name any more still has attributes, by its file and by its node.
func TestUnlinkedOpen(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		newFile(t, dir, "f", "0123456789")
		c := newClient(t, dir, Defaults(), vfs.Options{})
		n := c.lookup("f")
		fh := c.open(n, unix.O_RDWR)
		if e, _ := c.do(abi.OpUnlink, abi.RootID, cstr("f")); e != vfs.OK {
			t.Fatal(e)
		}
		c.fs.evict(evictMax)
		c.is(c.setattr(n, abi.SetattrIn{Valid: abi.FattrMode, Mode: 0o600}), vfs.OK)
		c.is(c.setattr(n, abi.SetattrIn{Valid: abi.FattrSize | abi.FattrFh, Fh: fh, Size: 3}), vfs.OK)
		c.is(c.setxattr(n, "user.x", "1", 0), vfs.OK)
		e, a := c.getattr(n)
		if e != vfs.OK || a.Nlink != 0 || a.Size != 3 || a.Mode&0o777 != 0o600 {
			t.Errorf("%v: %d links, size %d, mode %o", e, a.Nlink, a.Size, a.Mode)
		}
		c.release(n, fh)
	})
}

func TestStatx(t *testing.T) {
	dir := t.TempDir()
	p := newFile(t, dir, "f", "abc")
	c := newClient(t, dir, Defaults(), vfs.Options{})
	e, body := c.do(abi.OpStatx, c.lookup("f"), abi.Bytes(&abi.StatxIn{}))
	c.is(e, vfs.OK)
	var out abi.StatxOut
	copy(abi.Bytes(&out), body)
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, p, 0, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		t.Fatal(err)
	}
	if s := out.Stat; s.Mask&unix.STATX_BTIME == 0 || s.Btime.TvSec != st.Btime.Sec || s.Btime.TvNsec != st.Btime.Nsec || s.Size != 3 || s.Ino != st.Ino {
		t.Errorf("%+v", s)
	}
}

// Whoever has a lease on a file does not hold up a loop that is to cut it.
func TestTruncateLeased(t *testing.T) {
	dir := tmpfs(t)
	p := newFile(t, dir, "f", "0123456789")
	c := newClient(t, dir, Defaults(), vfs.Options{})
	n := c.lookup("f")
	lease, err := os.OpenFile(p, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Close()
	if _, err := unix.FcntlInt(lease.Fd(), unix.F_SETLEASE, unix.F_RDLCK); err != nil {
		t.Fatal("lease:", err)
	}
	// On a loop it would wait for as long as the host lets a lease live, and then succeed.
	_, o, v := c.begin(abi.OpSetattr, n, abi.Bytes(&abi.SetattrIn{Valid: abi.FattrSize, Size: 2}))
	if v != vfs.Offload {
		t.Fatal("verdict", v)
	}
	done := make(chan vfs.Verdict)
	go func() { done <- c.run(o) }()
	eventually(t, "the lease is asked back", func() bool {
		v, err := unix.FcntlInt(lease.Fd(), unix.F_GETLEASE, 0)
		return err == nil && v == unix.F_UNLCK
	})
	if _, err := unix.FcntlInt(lease.Fd(), unix.F_SETLEASE, unix.F_UNLCK); err != nil {
		t.Fatal(err)
	}
	if v := <-done; v != vfs.Reply {
		t.Fatal("verdict", v)
	}
	e, _ := o.Result()
	c.is(e, vfs.OK)
	c.c.Sent(o)
	content(t, p, "01")
}

// fingerprint is a digest of all of a tree.
func fingerprint(t testing.TB, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		var names [1024]byte
		n, _ := unix.Llistxattr(path, names[:])
		fmt.Fprintln(h, path, st.Ino, st.Mode, st.Uid, st.Gid, st.Size, st.Nlink, st.Mtim, st.Ctim, names[:max(n, 0)])
		if d.Type().IsRegular() {
			b, err := os.ReadFile(path)
			fmt.Fprintf(h, "%x", b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// Every opcode that changes something is EROFS on a read-only share, and the tree is what it was.
func TestReadOnlyShare(t *testing.T) {
	dir := tmpfs(t)
	newFile(t, dir, "f", "contents")
	newFile(t, dir, "g", "contents")
	dirs(t, dir, 1)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_NOATIME, ""); err != nil {
		t.Fatal(err)
	}
	before := fingerprint(t, dir)
	o := Defaults()
	o.ReadOnly = true
	c := newClient(t, dir, o, vfs.Options{AtomicTrunc: true})
	n, g := c.lookup("f"), c.lookup("g")
	fh, gh := c.open(n, unix.O_RDONLY), c.open(g, unix.O_RDONLY)
	errs := map[string]vfs.Errno{
		"setattr of nothing": c.setattr(n, abi.SetattrIn{}),
		"chmod":              c.setattr(n, abi.SetattrIn{Valid: abi.FattrMode, Mode: 0o777}),
		"truncate":           c.setattr(n, abi.SetattrIn{Valid: abi.FattrSize | abi.FattrFh, Fh: fh}),
		"setxattr":           c.setxattr(n, "user.x", "1", 0),
		"rename":             c.rename(abi.RootID, "f", abi.RootID, "h", 0),
	}
	for what, f := range c.makers() {
		errs[what] = f(abi.RootID, "new", 0o644)
	}
	for _, flags := range []uint32{unix.O_RDWR, unix.O_WRONLY, unix.O_RDONLY | unix.O_TRUNC} {
		errs[fmt.Sprintf("open %#x", flags)], _ = c.tryOpen(n, flags, 0)
		errs[fmt.Sprintf("create of an old file %#x", flags)], _, _ = c.create(abi.RootID, "f", flags, 0o644)
	}
	for what, x := range map[string]struct {
		op    abi.Opcode
		node  uint64
		parts [][]byte
	}{
		"unlink":          {abi.OpUnlink, abi.RootID, [][]byte{cstr("f")}},
		"rmdir":           {abi.OpRmdir, abi.RootID, [][]byte{cstr("0")}},
		"link":            {abi.OpLink, abi.RootID, [][]byte{abi.Bytes(&abi.LinkIn{OldNodeID: n}), cstr("l")}},
		"tmpfile":         {abi.OpTmpfile, abi.RootID, [][]byte{abi.Bytes(&abi.CreateIn{Flags: unix.O_RDWR, Mode: unix.S_IFREG | 0o600}), cstr("")}},
		"removexattr":     {abi.OpRemovexattr, n, [][]byte{cstr("user.x")}},
		"write":           {abi.OpWrite, n, [][]byte{abi.Bytes(&abi.WriteIn{Fh: fh, Size: 1}), []byte("x")}},
		"fallocate":       {abi.OpFallocate, n, [][]byte{abi.Bytes(&abi.FallocateIn{Fh: fh, Length: 100})}},
		"copy_file_range": {abi.OpCopyFileRange, n, [][]byte{abi.Bytes(&abi.CopyFileRangeIn{FhIn: fh, NodeIDOut: g, FhOut: gh, Len: 4})}},
		"ioctl": {abi.OpIoctl, n, [][]byte{
			abi.Bytes(&abi.IoctlIn{Fh: fh, Cmd: unix.FS_IOC_SETFLAGS, InSize: 4}), {0, 0, 0, 0},
		}},
	} {
		errs[what], _ = c.do(x.op, x.node, x.parts...)
	}
	for what, e := range errs {
		if e != vfs.EROFS {
			t.Errorf("%s: %v", what, e)
		}
	}
	if fingerprint(t, dir) != before {
		t.Error("the tree has changed")
	}
}
