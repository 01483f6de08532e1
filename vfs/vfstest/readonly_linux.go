package vfstest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var readOnlyCases = []testCase{
	{"what is there", nil, roContents},
	{"listings", nil, roListings},
	{"reads anywhere", nil, roReadAt},
	{"nothing changes", nil, roChanges},
	{"many readers", nil, roParallel},
	{"mmap of a file", nil, roMmap},
}

func roContents(t *testing.T, root string) {
	for name, f := range Tree() {
		p := filepath.Join(root, name)
		read(t, p, string(f.Data))
		if st := stat(t, p); st.Size != int64(len(f.Data)) || st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Mode&0o111 != uint32(f.Mode)&0o111 {
			t.Errorf("%.20s: size %d, mode %o", name, st.Size, st.Mode)
		}
	}
	_, err := os.Stat(filepath.Join(root, "missing"))
	want(t, "a missing name", err, syscall.ENOENT)
	_, err = os.Stat(filepath.Join(root, "hello", "x"))
	want(t, "a file as a directory", err, syscall.ENOTDIR)
	_, err = os.Stat(filepath.Join(root, strings.Repeat("n", 256)))
	want(t, "a name of 256 bytes", err, syscall.ENAMETOOLONG)
	if out, err := exec.Command(filepath.Join(root, "sub", "script")).CombinedOutput(); err != nil || string(out) != "run\n" {
		t.Errorf("a script: %q, %v", out, err)
	}
}

func roListings(t *testing.T, root string) {
	top := map[string]bool{}
	for name := range Tree() {
		first, _, _ := strings.Cut(name, "/")
		top[first] = true
	}
	for dir, n := range map[string]int{"": len(top), "sub": 2, "sub/deep": 1, "many": treeFiles} {
		list, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil || len(list) != n {
			t.Errorf("%q: %d of %d names, %v", dir, len(list), n, err)
		}
		for _, e := range list {
			if st := stat(t, filepath.Join(root, dir, e.Name())); e.IsDir() != (st.Mode&syscall.S_IFMT == syscall.S_IFDIR) {
				t.Errorf("%s: listed as %v, is %o", e.Name(), e.Type(), st.Mode)
			}
		}
	}
}

func roReadAt(t *testing.T, root string) {
	f, err := os.Open(filepath.Join(root, "big"))
	must(t, err)
	defer f.Close()
	big := bigFile()
	buf := make([]byte, 5000)
	for _, off := range []int{2 << 20, 0, 4095, bigSize - 5000, 1, 1 << 20, bigSize - 3} {
		n, err := f.ReadAt(buf, int64(off))
		if k := min(len(buf), bigSize-off); n != k || err != nil && err != io.EOF || !bytes.Equal(buf[:n], big[off:off+k]) {
			t.Errorf("at %d: %d bytes, %v", off, n, err)
		}
	}
}

func roChanges(t *testing.T, root string) {
	in := func(name string) string { return filepath.Join(root, name) }
	open := func(name string, flags int) error {
		f, err := os.OpenFile(in(name), flags, 0o644)
		if err == nil {
			f.Close()
		}
		return err
	}
	for what, err := range map[string]error{
		"open for writing": open("hello", os.O_WRONLY), "O_TRUNC": open("hello", os.O_RDWR|os.O_TRUNC),
		"create": open("new", os.O_CREATE|os.O_WRONLY), "mkdir": os.Mkdir(in("d"), 0o755), "unlink": syscall.Unlink(in("hello")),
		"rmdir": syscall.Rmdir(in("sub")), "rename": syscall.Rename(in("hello"), in("h")), "link": syscall.Link(in("hello"), in("h")),
		"symlink": syscall.Symlink("hello", in("l")), "chmod": syscall.Chmod(in("hello"), 0o777), "chown": syscall.Chown(in("hello"), 1, 1),
		"truncate": syscall.Truncate(in("hello"), 0), "mknod": unix.Mknod(in("p"), unix.S_IFIFO|0o600, 0),
		"utimes": syscall.Utimes(in("hello"), make([]syscall.Timeval, 2)),
	} {
		want(t, what, err, syscall.EROFS)
	}
	read(t, in("hello"), "hello, world\n")
}

func roParallel(t *testing.T, root string) {
	big := bigFile()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			if b, err := os.ReadFile(filepath.Join(root, "big")); err != nil || !bytes.Equal(b, big) {
				t.Errorf("reader %d: %d bytes, %v", w, len(b), err)
			}
			for i := range 200 {
				if b, err := os.ReadFile(filepath.Join(root, "many", fmt.Sprint(i))); err != nil || string(b) != fmt.Sprint(i) {
					t.Errorf("reader %d: %q, %v", w, b, err)
				}
			}
		})
	}
	wg.Wait()
}

func roMmap(t *testing.T, root string) {
	f, err := os.Open(filepath.Join(root, "big"))
	must(t, err)
	defer f.Close()
	m, err := unix.Mmap(int(f.Fd()), 0, bigSize, unix.PROT_READ, unix.MAP_PRIVATE)
	must(t, err)
	if !bytes.Equal(m, bigFile()) {
		t.Error("a mapping shows other data")
	}
	must(t, unix.Munmap(m))
}
