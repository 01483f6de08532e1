//go:build linux

package passthrough

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// runtimeLock keeps the test on its thread: requests are served there, and creating ones switch its ids.
func runtimeLock(t testing.TB) {
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
}

// threadIDs are the lines of the calling thread's status that say who it is.
func threadIDs(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		for _, key := range []string{"Uid:", "Gid:", "Groups:", "CapEff:", "CapPrm:"} {
			if strings.HasPrefix(line, key) {
				out = append(out, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return strings.Join(out, "\n")
}

// ownIDs fails where the thread still is somebody else.
func ownIDs(t testing.TB) {
	t.Helper()
	if !strings.Contains(threadIDs(t), "Uid: 0 0 0 0\nGid: 0 0 0 0\n") {
		t.Fatalf("the thread is not itself again:\n%s", threadIDs(t))
	}
}

// withGroups gives the whole process supplementary groups, as a server may have them.
func withGroups(t testing.TB, groups ...int) {
	t.Helper()
	old, err := syscall.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setgroups(groups); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setgroups(old); err != nil {
			t.Error(err)
		}
	})
}

// suppGroup is the extension with the one group that the client's kernel sends along.
func suppGroup(gid uint32) []byte {
	return append(append(abi.Bytes(&abi.ExtHeader{Size: 16, Type: abi.ExtGroups}), abi.Bytes(&abi.SuppGroups{NrGroups: 1})...), abi.Bytes(&gid)...)
}

func owner(t testing.TB, path string) (uid, gid, mode uint32) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Uid, st.Gid, st.Mode
}

// makers are the calls that make something with mode, by name; each gives the errno.
func (c *client) makers() map[string]func(dir uint64, name string, mode uint32) vfs.Errno {
	return map[string]func(dir uint64, name string, mode uint32) vfs.Errno{
		"mkdir": func(dir uint64, name string, mode uint32) vfs.Errno {
			e, _ := c.entry(abi.OpMkdir, dir, abi.Bytes(&abi.MkdirIn{Mode: mode}), cstr(name))
			return e
		},
		"mknod": func(dir uint64, name string, mode uint32) vfs.Errno {
			e, _ := c.entry(abi.OpMknod, dir, abi.Bytes(&abi.MknodIn{Mode: unix.S_IFREG | mode}), cstr(name))
			return e
		},
		"symlink": func(dir uint64, name string, _ uint32) vfs.Errno {
			e, _ := c.entry(abi.OpSymlink, dir, cstr(name), cstr("target"))
			return e
		},
		"create": func(dir uint64, name string, mode uint32) vfs.Errno {
			e, out, fh := c.create(dir, name, unix.O_RDWR, mode)
			if e == vfs.OK {
				c.release(out.NodeID, fh)
			}
			return e
		},
	}
}

// What a caller makes is the caller's, the host's rules for it hold, and the thread is itself again.
func TestCallerOwns(t *testing.T) {
	runtimeLock(t)
	withGroups(t, 20, 30)
	dir := tmpfs(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"closed", "group"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(dir, "group"), 0, 30); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "group"), 0o775); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
	closed, group := c.lookup("closed"), c.lookup("group")
	before := threadIDs(t)
	same := func(what string) {
		t.Helper()
		if now := threadIDs(t); now != before {
			t.Fatalf("after %s the thread is\n%s\ninstead of\n%s", what, now, before)
		}
	}
	for what, f := range c.makers() {
		c.uid, c.gid, c.ext = 1234, 2345, nil
		c.is(f(abi.RootID, what, 0o644), vfs.OK)
		same(what)
		if u, g, _ := owner(t, filepath.Join(dir, what)); u != 1234 || g != 2345 {
			t.Errorf("%s: owned by %d:%d", what, u, g)
		}
		c.is(f(closed, what, 0o644), vfs.EACCES)
		same(what + " without the right to")
		c.is(f(group, what, 0o644), vfs.EACCES) // 30 is the server's group, not the caller's
		same(what)
		c.ext = suppGroup(30)
		c.is(f(group, what, 0o644), vfs.OK)
		same(what + " with a group")
		c.uid, c.gid, c.ext = ^uint32(0), 7, nil
		c.is(f(abi.RootID, what+"-nobody", 0o644), vfs.EPERM)
		same(what + " by nobody")
		c.uid, c.gid = 0, 5
		c.is(f(abi.RootID, what+"-root", 0o644), vfs.OK)
		if u, g, _ := owner(t, filepath.Join(dir, what+"-root")); u != 0 || g != 5 {
			t.Errorf("%s by 0:5: owned by %d:%d", what, u, g)
		}
		same(what + " by root")
	}
	if e, _ := c.do(abi.OpAccess, closed, abi.Bytes(&abi.AccessIn{Mask: unix.W_OK})); e != vfs.OK { // 0:5
		t.Error("access by root:", e)
	}
	c.uid = 1234
	if e, _ := c.do(abi.OpAccess, closed, abi.Bytes(&abi.AccessIn{Mask: unix.W_OK})); e != vfs.EACCES {
		t.Error("access by another:", e)
	}
	same("access")
}

// CVE-2022-0358: a new file in a setgid directory is not setgid where its maker is not in the group, though the server is.
func TestSetgidDirectory(t *testing.T) {
	runtimeLock(t)
	const group = 30
	withGroups(t, group)
	onBoth(t, func(t *testing.T, dir string) {
		runtimeLock(t)
		if err := os.Chown(dir, 0, group); err != nil {
			t.Fatal(err)
		}
		if err := unix.Chmod(dir, 0o2777); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, dir, Defaults(), vfs.Options{})
		check := func(name string, want uint32) {
			t.Helper()
			if _, g, mode := owner(t, filepath.Join(dir, name)); g != group || mode&unix.S_ISGID != want {
				t.Errorf("%s: group %d, mode %o", name, g, mode)
			}
		}
		makers := c.makers()
		for _, what := range []string{"create", "mknod"} {
			c.uid, c.gid, c.ext = 1234, 1234, nil
			c.is(makers[what](abi.RootID, what+"-stranger", 0o2775), vfs.OK)
			check(what+"-stranger", 0)
			c.ext = suppGroup(group)
			c.is(makers[what](abi.RootID, what+"-member", 0o2775), vfs.OK)
			check(what+"-member", unix.S_ISGID)
			c.uid, c.gid, c.ext = 1234, group, nil
			c.is(makers[what](abi.RootID, what+"-own", 0o2775), vfs.OK)
			check(what+"-own", unix.S_ISGID)
		}
		c.uid, c.gid = 1234, 1234
		c.is(makers["mkdir"](abi.RootID, "d", 0o755), vfs.OK)
		check("d", unix.S_ISGID) // directories inherit it
	})
}

// A thread whose ids could not be put back says so.
func TestTaint(t *testing.T) {
	runtimeLock(t)
	c := newClient(t, tmpfs(t), Defaults(), vfs.Options{})
	before := threadIDs(t)
	op := c.c.NewOp(nil)
	op.UID, op.GID = 1, 1
	switched, e := c.fs.creds.as(op)
	if !switched || e != vfs.OK || op.Tainted() {
		t.Error(switched, e, op.Tainted())
	}
	c.fs.creds.restore(op)
	if op.Tainted() {
		t.Error("a thread that is itself again is marked")
	}
	h := capHeader{version: capVersion3}
	var old, none [2]capData
	if _, _, e := unix.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&h)), uintptr(unsafe.Pointer(&old)), 0); e != 0 {
		t.Fatal(e)
	}
	for i := range none { // as if a security module had taken the right to switch; the thread can have it back
		none[i].permitted, none[i].inheritable = old[i].permitted, old[i].inheritable
	}
	if e := capset(&h, &none); e != vfs.OK {
		t.Fatal(e)
	}
	c.fs.creds.gid = 99
	c.fs.creds.restore(op)
	c.fs.creds.gid = 0
	if e := capset(&h, &old); e != vfs.OK {
		t.Fatal(e)
	}
	if !op.Tainted() {
		t.Error("a thread with another's ids is not marked")
	}
	if now := threadIDs(t); now != before {
		t.Errorf("the test leaves its thread as\n%s\ninstead of\n%s", now, before)
	}
}

// Without DONT_MASK the client's kernel has applied the umask; with it the host's default ACL replaces it.
func TestUmask(t *testing.T) {
	dir := t.TempDir()
	acl := filepath.Join(dir, "acl")
	if err := os.Mkdir(acl, 0o755); err != nil {
		t.Fatal(err)
	}
	// struct posix_acl_xattr_header 2, then user::rwx group::rwx other::r-x
	def := []byte{2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 7, 0, 255, 255, 255, 255, 32, 0, 5, 0, 255, 255, 255, 255}
	if err := unix.Setxattr(acl, "system.posix_acl_default", def, 0); err != nil {
		t.Fatal(err)
	}
	for _, dontMask := range []bool{false, true} {
		c := newClient(t, dir, Defaults(), vfs.Options{PosixACL: dontMask})
		for d, node := range map[string]uint64{dir: abi.RootID, acl: c.lookup("acl")} {
			want := uint32(0o666)
			switch {
			case d == acl:
				want = 0o664
			case dontMask:
				want = 0o640
			}
			e, body := c.do(abi.OpCreate, node, abi.Bytes(&abi.CreateIn{Flags: unix.O_RDWR, Mode: unix.S_IFREG | 0o666, Umask: 0o27}), cstr("f"))
			c.is(e, vfs.OK)
			var out abi.EntryOut
			copy(abi.Bytes(&out), body)
			if out.Attr.Mode&0o777 != want {
				t.Errorf("DONT_MASK %v, %s: mode %o instead of %o", dontMask, filepath.Base(d), out.Attr.Mode&0o777, want)
			}
			if err := os.Remove(filepath.Join(d, "f")); err != nil {
				t.Fatal(err)
			}
		}
		var back [64]byte
		e, b := c.do(abi.OpGetxattr, c.lookup("acl"), abi.Bytes(&abi.GetxattrIn{Size: uint32(len(back))}), cstr("system.posix_acl_default"))
		if e != vfs.OK || !bytes.Equal(b, def) {
			t.Errorf("the ACL reads as %x, %v", b, e)
		}
	}
}
