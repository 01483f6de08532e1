//go:build linux

package testmount

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Tmpfs mounts a fresh tmpfs on a temporary folder, mode 0755, and returns the folder. It holds at most 2 GiB. The end
// of the test removes it. Start it before the daemon that serves it: cleanups run in the opposite order. Its path is
// longer than a mount point's of Start, so that a server that puts paths together fails at PATH_MAX.
func Tmpfs(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "fastfsd-backing-file-system-")
	if err != nil {
		tb.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755,size=2g"); err != nil {
		os.Remove(dir)
		tb.Fatalf("testmount: mount tmpfs on %s: %v", dir, err)
	}
	tb.Cleanup(func() {
		// Detached: a file that a killed daemon still has open must not fail the next test.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			tb.Errorf("testmount: umount %s: %v", dir, err)
			return
		}
		if err := os.Remove(dir); err != nil {
			tb.Errorf("testmount: %v", err)
		}
	})
	return dir
}
