package faults

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

// TestHostMountCanGo: a host mount inside the share is served with inode numbers of its own, and can be unmounted once the client has
// forgotten it.
func TestHostMountCanGo(t *testing.T) {
	src := testmount.Tmpfs(t)
	sub := filepath.Join(src, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", sub, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(sub, unix.MNT_DETACH) })
	for _, p := range []string{filepath.Join(sub, "f"), filepath.Join(src, "f")} {
		if err := os.WriteFile(p, []byte(p), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := testmount.Start(t, src, testmount.Config{})
	m.Within(t, time.Minute, func() {
		if a, b := inodeOf(t, filepath.Join(m.Dir, "f")), inodeOf(t, filepath.Join(m.Dir, "sub/f")); a == b {
			t.Errorf("two files of two file systems have inode number %d", a)
		}
		if err := os.Rename(filepath.Join(m.Dir, "f"), filepath.Join(m.Dir, "sub/g")); !errors.Is(err, syscall.EXDEV) {
			t.Errorf("rename across host mounts: %v", err)
		}
		var err error
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if werr := os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0); werr != nil {
				t.Fatal(werr)
			}
			if err = unix.Unmount(sub, 0); err == nil {
				return
			}
		}
		t.Errorf("the host mount could not be unmounted: %v", err)
	})
	m.Stop()
}

func inodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(path, err)
	}
	return st.Ino
}

// TestSymlinksStayInTheClient: links that lead out of the share are the client's to follow; the server never does.
func TestSymlinksStayInTheClient(t *testing.T) {
	src := testmount.Tmpfs(t)
	if err := os.Symlink("/", filepath.Join(src, "evil")); err != nil {
		t.Fatal(err)
	}
	m := testmount.Start(t, src, testmount.Config{})
	m.Within(t, time.Minute, func() {
		evil := filepath.Join(m.Dir, "evil")
		if fi, err := os.Lstat(evil); err != nil || fi.Mode()&os.ModeSymlink == 0 {
			t.Fatalf("%v, %v: no symlink", fi, err)
		}
		if err := unix.Lsetxattr(evil, "user.x", []byte("1"), 0); !errors.Is(err, syscall.EPERM) {
			t.Errorf("user attribute on a symlink: %v", err)
		}
		before, err := os.Stat("/")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(evil, 12345, 12345); err != nil {
			t.Error(err)
		}
		after, err := os.Stat("/")
		if err != nil || after.Sys().(*syscall.Stat_t).Uid != before.Sys().(*syscall.Stat_t).Uid {
			t.Errorf("chown of a symlink changed its target: %v", err)
		}
	})
	m.Stop()
}

// TestReadOnlyShare: nothing gets through, by whatever call.
func TestReadOnlyShare(t *testing.T) {
	src := testmount.Tmpfs(t)
	if err := os.WriteFile(filepath.Join(src, "f"), []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := testmount.Start(t, src, testmount.Config{Args: []string{"--readonly"}})
	m.Within(t, time.Minute, func() {
		f := filepath.Join(m.Dir, "f")
		for what, err := range map[string]error{
			"truncating open": func() error { _, err := os.OpenFile(f, os.O_RDWR|os.O_TRUNC, 0); return err }(),
			"create":          os.WriteFile(filepath.Join(m.Dir, "g"), nil, 0o644),
			"mkdir":           os.Mkdir(filepath.Join(m.Dir, "d"), 0o755),
			"unlink":          os.Remove(f),
			"rename":          os.Rename(f, f+"2"),
			"chmod":           os.Chmod(f, 0o600),
			"truncate":        os.Truncate(f, 0),
			"link":            os.Link(f, f+"3"),
			"symlink":         os.Symlink("x", f+"4"),
			"setxattr":        unix.Setxattr(f, "user.x", []byte("1"), 0),
			"mknod":           unix.Mknod(f+"5", unix.S_IFIFO|0o600, 0),
		} {
			if !errors.Is(err, syscall.EROFS) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
	if b, err := os.ReadFile(filepath.Join(src, "f")); err != nil || string(b) != "kept" {
		t.Errorf("%q, %v", b, err)
	}
	m.Stop()
}
