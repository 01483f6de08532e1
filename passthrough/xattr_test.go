//go:build linux

package passthrough

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

func (c *client) setxattr(node uint64, name, value string, flags uint32) vfs.Errno {
	c.t.Helper()
	e, _ := c.do(abi.OpSetxattr, node, abi.Bytes(&abi.SetxattrIn{Size: uint32(len(value)), Flags: flags}), cstr(name), []byte(value))
	return e
}

func (c *client) getxattr(node uint64, name string, size uint32) (vfs.Errno, string) {
	c.t.Helper()
	e, b := c.do(abi.OpGetxattr, node, abi.Bytes(&abi.GetxattrIn{Size: size}), cstr(name))
	return e, string(b)
}

func (c *client) listxattr(node uint64, size uint32) (vfs.Errno, string) {
	c.t.Helper()
	e, b := c.do(abi.OpListxattr, node, abi.Bytes(&abi.GetxattrIn{Size: size}))
	return e, string(b)
}

func sizeOf(n uint32) string { return string(abi.Bytes(&abi.GetxattrOut{Size: n})) }

func TestXattrs(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		newFile(t, dir, "f", "")
		c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
		n := c.lookup("f")
		c.is(c.setxattr(n, "user.a", "value", unix.XATTR_REPLACE), vfs.ENODATA)
		c.is(c.setxattr(n, "user.a", "value", unix.XATTR_CREATE), vfs.OK)
		c.is(c.setxattr(n, "user.a", "value", unix.XATTR_CREATE), vfs.EEXIST)
		c.is(c.setxattr(n, "user.empty", "", 0), vfs.OK)
		long := strings.Repeat("v", 3000)
		c.is(c.setxattr(n, "trusted.long", long, 0), vfs.OK)
		for _, x := range []struct {
			name string
			size uint32
			e    vfs.Errno
			want string
		}{
			{"user.a", 0, vfs.OK, sizeOf(5)},
			{"user.a", 5, vfs.OK, "value"},
			{"user.a", 100, vfs.OK, "value"},
			{"user.a", 4, vfs.ERANGE, ""},
			{"user.empty", 0, vfs.OK, sizeOf(0)},
			{"user.empty", 1, vfs.OK, ""},
			{"user.none", 0, vfs.ENODATA, ""},
			{"trusted.long", 3000, vfs.OK, long},
			{"trusted.long", 1 << 31, vfs.OK, long},
			{"none.x", 9, vfs.EOPNOTSUPP, ""},
		} {
			if e, got := c.getxattr(n, x.name, x.size); e != x.e || e == vfs.OK && got != x.want {
				t.Errorf("%s with %d bytes of room: %v, %.20q", x.name, x.size, e, got)
			}
		}
		names := "user.a\x00user.empty\x00trusted.long\x00"
		e, got := c.listxattr(n, 0)
		if e != vfs.OK || got != sizeOf(uint32(len(names))) {
			t.Errorf("size of the list: %v, %x", e, got)
		}
		if e, _ := c.listxattr(n, uint32(len(names))-1); e != vfs.ERANGE {
			t.Error("a list without room:", e)
		}
		e, got = c.listxattr(n, uint32(len(names)))
		if e != vfs.OK || len(got) != len(names) {
			t.Errorf("%v, %q", e, got)
		}
		for _, name := range []string{"user.a", "user.empty", "trusted.long"} {
			if !strings.Contains("\x00"+got, "\x00"+name+"\x00") {
				t.Errorf("%s is not listed", name)
			}
			if e, _ := c.do(abi.OpRemovexattr, n, cstr(name)); e != vfs.OK {
				t.Errorf("remove %s: %v", name, e)
			}
		}
		if e, got := c.listxattr(n, 0); e != vfs.OK || got != sizeOf(0) {
			t.Errorf("%v, %x after all were removed", e, got)
		}
	})
}

// Neither a symlink's target nor, through /proc/self/fd, anything else gets a symlink's attributes.
func TestSymlinkAttributes(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		target := newFile(t, dir, "target", "")
		if err := unix.Setxattr(target, "user.own", []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		_, _, mode := owner(t, target)
		c := newClient(t, dir, Defaults(), vfs.Options{})
		n := c.lookup("link")
		c.is(c.setxattr(n, "user.x", "1", 0), vfs.EPERM)
		c.is(c.setxattr(n, "trusted.x", "1", 0), vfs.EPERM)
		e, _ := c.getxattr(n, "user.own", 10)
		c.is(e, vfs.EOPNOTSUPP)
		e, list := c.listxattr(n, 100)
		if e != vfs.OK || list != "" {
			t.Errorf("list: %v, %q", e, list)
		}
		if e, list = c.listxattr(n, 0); e != vfs.OK || list != sizeOf(0) {
			t.Errorf("size of the list: %v, %x", e, list)
		}
		if e, _ := c.do(abi.OpRemovexattr, n, cstr("user.own")); e == vfs.OK {
			t.Error("removed the target's attribute")
		}
		c.is(c.setattr(n, abi.SetattrIn{Valid: abi.FattrMode, Mode: 0o777}), vfs.EOPNOTSUPP)
		c.is(c.setattr(n, abi.SetattrIn{Valid: abi.FattrUID | abi.FattrGID, UID: 7, GID: 8}), vfs.OK)
		c.is(c.setattr(n, abi.SetattrIn{Valid: abi.FattrMtime, Mtime: 1000}), vfs.OK)
		if e := c.setattr(n, abi.SetattrIn{Valid: abi.FattrSize}); e == vfs.OK {
			t.Error("cut through a symlink")
		}
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, "link"), &st); err != nil || st.Uid != 7 || st.Gid != 8 || st.Mtim.Sec != 1000 {
			t.Errorf("the link: %v, owner %d:%d, mtime %d", err, st.Uid, st.Gid, st.Mtim.Sec)
		}
		if err := unix.Lstat(target, &st); err != nil || st.Uid != 0 || st.Mode != mode || st.Mtim.Sec == 1000 {
			t.Errorf("the target: %v, owner %d, mode %o, mtime %d", err, st.Uid, st.Mode, st.Mtim.Sec)
		}
	})
}

func TestNoXattr(t *testing.T) {
	dir := tmpfs(t)
	newFile(t, dir, "f", "")
	o := Defaults()
	o.NoXattr = true
	c := newClient(t, dir, o, vfs.Options{})
	n := c.lookup("f")
	c.is(c.setxattr(n, "user.a", "1", 0), vfs.EOPNOTSUPP)
	e, _ := c.getxattr(n, "user.a", 0)
	c.is(e, vfs.EOPNOTSUPP)
	e, _ = c.listxattr(n, 0)
	c.is(e, vfs.EOPNOTSUPP)
	e, _ = c.do(abi.OpRemovexattr, n, cstr("user.a"))
	c.is(e, vfs.EOPNOTSUPP)
}
