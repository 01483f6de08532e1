package vfstest

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNative runs the suite on a local file system, where everything must pass: what fails elsewhere is then that file
// system's fault and not the suite's.
func TestNative(t *testing.T) {
	Run(t, Config{Mount: func(t testing.TB) string {
		dir, err := os.MkdirTemp("", "vfstest-")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256m,mode=0755"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = unix.Unmount(dir, unix.MNT_DETACH)
			_ = os.Remove(dir)
		})
		return dir
	}})
}

// TestNativeReadOnly: the same of the suite for what cannot be written.
func TestNativeReadOnly(t *testing.T) {
	Run(t, Config{ReadOnly: true, Mount: func(t testing.TB) string {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64m,mode=0755"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		if err := os.CopyFS(dir, Tree()); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		return dir
	}})
}
