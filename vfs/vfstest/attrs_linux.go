package vfstest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func noXattr(c *Config) bool { return c.NoXattr }

var attrCases = []testCase{
	{"modes", nil, testModes},
	{"umask", nil, testUmask},
	{"times", nil, testTimes},
	{"owners", func(c *Config) bool { return c.NoChown }, testOwners},
	{"other users", func(c *Config) bool { return c.NoChown }, testOtherUsers},
	{"a supplementary group", noGroups, testSuppGroup},
	{"a set-group-id directory", func(c *Config) bool { return c.NoChown }, testSetgidDir},
	{"set-group-id files in one", noGroups, testSetgidFiles},
	{"suid goes with a write", func(c *Config) bool { return c.NoChown }, testKillPriv},
	{"attributes", noXattr, testXattrs},
	{"attribute sizes", noXattr, testXattrSizes},
	{"statfs", nil, testStatfs},
}

func testModes(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "")
	for _, mode := range []uint32{0, 0o777, 0o4755, 0o2755, 0o1777, 0o600} {
		must(t, syscall.Chmod(p, mode))
		if m := stat(t, p).Mode; m != syscall.S_IFREG|mode {
			t.Errorf("mode %o, want %o", m, syscall.S_IFREG|mode)
		}
	}
	must(t, syscall.Chmod(dir, 0o1700))
	if m := stat(t, dir).Mode; m != syscall.S_IFDIR|0o1700 {
		t.Errorf("mode %o", m)
	}
}

func testUmask(t *testing.T, dir string) {
	// The process's umask is what the test runner has: what counts is that a mode is masked by it, and once.
	mask := uint32(syscall.Umask(0o022))
	defer syscall.Umask(int(mask))
	f, err := os.OpenFile(filepath.Join(dir, "f"), os.O_CREATE|os.O_WRONLY, 0o666)
	must(t, err)
	f.Close()
	must(t, os.Mkdir(filepath.Join(dir, "d"), 0o777))
	if f, d := stat(t, filepath.Join(dir, "f")).Mode&0o777, stat(t, filepath.Join(dir, "d")).Mode&0o777; f != 0o644 || d != 0o755 {
		t.Errorf("modes %o and %o under umask 022", f, d)
	}
}

func testTimes(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "")
	set := func(a, m unix.Timespec) {
		t.Helper()
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{a, m}, unix.AT_SYMLINK_NOFOLLOW))
	}
	set(unix.Timespec{Sec: 100, Nsec: 5}, unix.Timespec{Sec: 4e9, Nsec: 999999999})
	if st := stat(t, p); st.Atim.Sec != 100 || st.Atim.Nsec != 5 || st.Mtim.Sec != 4e9 || st.Mtim.Nsec != 999999999 {
		t.Errorf("%v, %v", st.Atim, st.Mtim)
	}
	set(unix.Timespec{Nsec: unix.UTIME_OMIT}, unix.Timespec{Nsec: unix.UTIME_NOW})
	if st := stat(t, p); st.Atim.Sec != 100 || time.Since(time.Unix(st.Mtim.Unix())).Abs() > time.Hour {
		t.Errorf("%v, %v", st.Atim, st.Mtim)
	}
	set(unix.Timespec{Sec: 200}, unix.Timespec{Sec: 200})
	before := stat(t, p)
	write(t, p, "changed")
	if st := stat(t, p); st.Mtim.Sec == 200 || st.Ctim.Nano() < before.Ctim.Nano() {
		t.Error("a write does not change mtime")
	}
	must(t, os.Chtimes(dir, time.Unix(300, 0), time.Unix(300, 0)))
	write(t, filepath.Join(dir, "g"), "")
	if st := stat(t, dir); st.Mtim.Sec == 300 {
		t.Error("a new name does not change the directory's mtime")
	}
}

func testOwners(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "")
	must(t, os.Chown(p, 1234, 5678))
	must(t, os.Chown(p, -1, 4321))
	if st := stat(t, p); st.Uid != 1234 || st.Gid != 4321 {
		t.Errorf("owner %d:%d", st.Uid, st.Gid)
	}
	l := filepath.Join(dir, "l")
	must(t, os.Symlink("f", l))
	must(t, os.Lchown(l, 77, 78))
	if st := stat(t, l); st.Uid != 77 || st.Gid != 78 {
		t.Errorf("owner of the symlink %d:%d", st.Uid, st.Gid)
	}
	if st := stat(t, p); st.Uid != 1234 {
		t.Errorf("lchown changed the target: %d", st.Uid)
	}
}

// as runs a shell script as another user and returns its output.
func as(t *testing.T, uid, gid uint32, script string) (string, error) {
	t.Helper()
	return child(t, &syscall.Credential{Uid: uid, Gid: gid}, script)
}

func testOtherUsers(t *testing.T, dir string) {
	must(t, os.Chmod(dir, 0o777))
	write(t, filepath.Join(dir, "secret"), "x")
	must(t, os.Chmod(filepath.Join(dir, "secret"), 0o600))
	if out, err := as(t, 65534, 65533, "cat "+filepath.Join(dir, "secret")); err == nil {
		t.Errorf("a stranger reads a file of mode 600: %s", out)
	}
	out, err := as(t, 65534, 65533, fmt.Sprintf("cd %s && umask 022 && echo hi >own && mkdir sub && ln -s own link && ln own hard", dir))
	if err != nil {
		t.Fatal(out, err)
	}
	for _, name := range []string{"own", "sub", "link", "hard"} {
		if st := stat(t, filepath.Join(dir, name)); st.Uid != 65534 || st.Gid != 65533 {
			t.Errorf("%s belongs to %d:%d", name, st.Uid, st.Gid)
		}
	}
	if out, err := as(t, 1111, 1111, "echo x >>"+filepath.Join(dir, "own")); err == nil {
		t.Errorf("a third one writes a file of mode 644: %s", out)
	}
	must(t, syscall.Chmod(dir, 0o1777))
	if out, err := as(t, 1111, 1111, "rm -f "+filepath.Join(dir, "own")); err == nil {
		t.Errorf("a third one removes a file from a sticky directory: %s", out)
	}
}

func testSetgidDir(t *testing.T, dir string) {
	must(t, os.Chown(dir, 0, 4242))
	must(t, syscall.Chmod(dir, 0o2777))
	if out, err := as(t, 65534, 65533, fmt.Sprintf("cd %s && umask 0 && echo >f && mkdir d", dir)); err != nil {
		t.Fatal(out, err)
	}
	if st := stat(t, filepath.Join(dir, "f")); st.Gid != 4242 || st.Mode&syscall.S_ISGID != 0 {
		t.Errorf("file: group %d, mode %o", st.Gid, st.Mode)
	}
	if st := stat(t, filepath.Join(dir, "d")); st.Gid != 4242 || st.Mode&syscall.S_ISGID == 0 {
		t.Errorf("directory: group %d, mode %o", st.Gid, st.Mode)
	}
}

func noGroups(c *Config) bool { return c.NoChown || c.NoMknod || c.NoLink || c.NoSuppGroups }

// makeAs runs makeHelper in dir.
func makeAs(t *testing.T, cred *syscall.Credential, dir string) error {
	t.Helper()
	c := helper("make", dir)
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// made are the names that makeHelper leaves.
var made = []string{"file", "dir", "node", "fifo", "symlink", "renamed"}

// testSuppGroup: where only a supplementary group of the caller may write, the caller makes things, and they are its own.
func testSuppGroup(t *testing.T, dir string) {
	must(t, os.Chown(dir, 0, 4242))
	must(t, os.Chmod(dir, 0o775))
	if err := makeAs(t, &syscall.Credential{Uid: 65534, Gid: 65533, Groups: []uint32{7, 8}}, dir); err == nil {
		t.Error("somebody who is not in the group makes things")
	}
	must(t, makeAs(t, &syscall.Credential{Uid: 65534, Gid: 65533, Groups: []uint32{7, 4242, 8}}, dir))
	for _, name := range made {
		if st := stat(t, filepath.Join(dir, name)); st.Uid != 65534 || st.Gid != 65533 {
			t.Errorf("%s belongs to %d:%d", name, st.Uid, st.Gid)
		}
	}
}

// testSetgidFiles: what is made in a set-group-id directory has its group. A file may have the bit too if its maker is in that group.
func testSetgidFiles(t *testing.T, dir string) {
	for who, groups := range map[string][]uint32{"stranger": {7}, "member": {7, 4242}} {
		d := filepath.Join(dir, who)
		must(t, os.Mkdir(d, 0o755))
		must(t, os.Chown(d, 0, 4242))
		must(t, syscall.Chmod(d, 0o2777))
		must(t, makeAs(t, &syscall.Credential{Uid: 65534, Gid: 65533, Groups: groups}, d))
		for _, name := range made {
			st := stat(t, filepath.Join(d, name))
			if st.Uid != 65534 || st.Gid != 4242 {
				t.Errorf("%s: %s belongs to %d:%d", who, name, st.Uid, st.Gid)
			}
			has := name == "dir" || who == "member" && (name == "file" || name == "node" || name == "renamed")
			if got := st.Mode&syscall.S_ISGID != 0; got != has {
				t.Errorf("%s: %s has mode %o", who, name, st.Mode)
			}
		}
	}
}

func testKillPriv(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	for what, script := range map[string]string{"write": "echo x >>" + p, "truncate": "truncate -s 1 " + p} {
		write(t, p, "hello")
		must(t, syscall.Chmod(p, 0o6777))
		if out, err := as(t, 65534, 65533, script); err != nil {
			t.Fatal(out, err)
		}
		if m := stat(t, p).Mode; m&(syscall.S_ISUID|syscall.S_ISGID) != 0 {
			t.Errorf("%s by a stranger: mode %o", what, m)
		}
		must(t, os.Remove(p))
	}
	write(t, p, "hello")
	must(t, syscall.Chmod(p, 0o6777))
	must(t, os.Chown(p, 1, 1))
	if m := stat(t, p).Mode; m&(syscall.S_ISUID|syscall.S_ISGID) != 0 {
		t.Errorf("chown: mode %o", m)
	}
}

func testXattrs(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "")
	_, err := unix.Getxattr(p, "user.none", make([]byte, 10))
	want(t, "an attribute that is not there", err, syscall.ENODATA)
	must(t, unix.Setxattr(p, "user.a", []byte("one"), 0))
	want(t, "XATTR_CREATE of what is there", unix.Setxattr(p, "user.a", []byte("x"), unix.XATTR_CREATE), syscall.EEXIST)
	want(t, "XATTR_REPLACE of what is not", unix.Setxattr(p, "user.b", []byte("x"), unix.XATTR_REPLACE), syscall.ENODATA)
	must(t, unix.Setxattr(p, "user.a", []byte("second"), unix.XATTR_REPLACE))
	must(t, unix.Setxattr(p, "user.empty", nil, 0))
	buf := make([]byte, 100)
	if n, err := unix.Getxattr(p, "user.a", buf); err != nil || string(buf[:n]) != "second" {
		t.Errorf("%q, %v", buf[:max(n, 0)], err)
	}
	n, err := unix.Listxattr(p, buf)
	must(t, err)
	if names := strings.Split(strings.Trim(string(buf[:n]), "\x00"), "\x00"); !slices.Contains(names, "user.a") || !slices.Contains(names, "user.empty") {
		t.Errorf("names: %q", names)
	}
	must(t, unix.Removexattr(p, "user.a"))
	want(t, "a second removal", unix.Removexattr(p, "user.a"), syscall.ENODATA)
	must(t, unix.Setxattr(dir, "user.dir", []byte("d"), 0))
}

func testXattrSizes(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "")
	value := pattern(2000)
	must(t, unix.Setxattr(p, "user.big", value, 0))
	if n, err := unix.Getxattr(p, "user.big", nil); err != nil || n != len(value) {
		t.Errorf("size %d, %v", n, err)
	}
	_, err := unix.Getxattr(p, "user.big", make([]byte, 10))
	want(t, "a small buffer", err, syscall.ERANGE)
	got := make([]byte, 4000)
	if n, err := unix.Getxattr(p, "user.big", got); err != nil || !bytes.Equal(got[:n], value) {
		t.Errorf("%d bytes, %v", n, err)
	}
	_, err = unix.Listxattr(p, make([]byte, 3))
	want(t, "a small list", err, syscall.ERANGE)
	want(t, "more than 64 KiB", unix.Setxattr(p, "user.huge", make([]byte, 65537), 0), syscall.E2BIG)
	if err := unix.Setxattr(p, "user.max", make([]byte, 65536), 0); err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.E2BIG) {
		t.Errorf("64 KiB: %v", err)
	}
}

func testStatfs(t *testing.T, dir string) {
	var st syscall.Statfs_t
	must(t, syscall.Statfs(dir, &st))
	if st.Namelen != 255 || st.Bsize <= 0 {
		t.Errorf("names of %d bytes, blocks of %d", st.Namelen, st.Bsize)
	}
}
