package options_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

// TestInodeFileHandles: how many descriptors the daemon holds for files that the client knows.
func TestInodeFileHandles(t *testing.T) {
	const files = 300
	for policy, each := range map[string]bool{"never": true, "prefer": false, "mandatory": false} {
		src, m := mount(t, "--inode-file-handles "+policy)
		for i := range files {
			write(t, filepath.Join(src, fmt.Sprint(i)), fmt.Sprint(i))
		}
		var held []*os.File // nothing makes the kernel forget them
		for i := range files {
			f, err := os.OpenFile(filepath.Join(m.Dir, fmt.Sprint(i)), unix.O_PATH, 0)
			must(t, err)
			held = append(held, f)
		}
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.PID()))
		must(t, err)
		if got := len(list) >= files; got != each {
			t.Errorf("%s: %d descriptors for %d files", policy, len(list), files)
		}
		for i, f := range held {
			if s := read(t, fmt.Sprintf("/proc/self/fd/%d", f.Fd())); s != fmt.Sprint(i) {
				t.Errorf("%s: file %d reads %q", policy, i, s)
			}
			f.Close()
		}
		m.Stop()
	}
}

// TestHostIno: two file systems that number their files alike.
func TestHostIno(t *testing.T) {
	for args, same := range map[string]bool{"": false, "--host-ino": true} {
		src := testmount.Tmpfs(t)
		must(t, unix.Mkdir(filepath.Join(src, "sub"), 0o755))
		must(t, unix.Mount("tmpfs", filepath.Join(src, "sub"), "tmpfs", 0, "size=1m"))
		defer unix.Unmount(filepath.Join(src, "sub"), unix.MNT_DETACH)
		m := serve(t, src, strings.Fields(args)...)
		// The first file system has given a number to sub already.
		write(t, filepath.Join(src, "sub/first"), "")
		for _, name := range []string{"f", "sub/f"} {
			write(t, filepath.Join(src, name), name)
		}
		a, b := stat(t, filepath.Join(src, "f")), stat(t, filepath.Join(src, "sub/f"))
		if a.Ino != b.Ino {
			t.Fatalf("inodes %d and %d on the host", a.Ino, b.Ino)
		}
		x, y := stat(t, filepath.Join(m.Dir, "f")), stat(t, filepath.Join(m.Dir, "sub/f"))
		if x.Ino != a.Ino || (y.Ino == b.Ino) != same {
			t.Errorf("%q: inodes %d and %d, on the host both are %d", args, x.Ino, y.Ino, a.Ino)
		}
		if s := read(t, filepath.Join(m.Dir, "sub/f")); s != "sub/f" {
			t.Errorf("%q", s)
		}
		m.Stop()
		must(t, unix.Unmount(filepath.Join(src, "sub"), unix.MNT_DETACH))
	}
}
