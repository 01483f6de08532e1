package vfstest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func asErrno(err error, e *syscall.Errno) bool { return errors.As(err, e) }

var nameCases = []testCase{
	{"names", nil, testNames},
	{"exclusive create", nil, testExclusive},
	{"one name, many creators", nil, testCreateRace},
	{"mkdir and rmdir", nil, testDirs},
	{"rename", nil, testRename},
	{"a name that is replaced is never missing", nil, testReplaced},
	{"rename of directories", nil, testRenameDirs},
	{"rename flags", func(c *Config) bool { return c.NoExchange }, testRenameFlags},
	{"hard links", func(c *Config) bool { return c.NoLink }, testLinks},
	{"symlinks", nil, testSymlinks},
	{"special files", func(c *Config) bool { return c.NoMknod }, testSpecial},
	{"a large directory", nil, testLargeDir},
	{"a listing while names go", nil, testReaddirUnlink},
	{"rewind", nil, testRewind},
	{"a deep tree", nil, testDeep},
}

func testNames(t *testing.T, dir string) {
	for _, name := range []string{strings.Repeat("n", 255), "\xff\xfe not utf-8", " ", "...", "a\nb", "ümläut"} {
		write(t, filepath.Join(dir, name), name)
		read(t, filepath.Join(dir, name), name)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 6 {
		t.Errorf("%d names, %v", len(list), err)
	}
	want(t, "a name of 256 bytes", os.WriteFile(filepath.Join(dir, strings.Repeat("n", 256)), nil, 0o644), syscall.ENAMETOOLONG)
	_, err = os.Stat(filepath.Join(dir, "missing"))
	want(t, "stat of nothing", err, syscall.ENOENT)
	_, err = os.Stat(filepath.Join(dir, " ", "x"))
	want(t, "a file as a directory", err, syscall.ENOTDIR)
}

func testExclusive(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "first")
	_, err := os.OpenFile(p, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	want(t, "O_EXCL on a file", err, syscall.EEXIST)
	must(t, os.Symlink("nowhere", filepath.Join(dir, "l")))
	_, err = os.OpenFile(filepath.Join(dir, "l"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	want(t, "O_EXCL on a symlink", err, syscall.EEXIST)
	_, err = os.OpenFile(filepath.Join(dir, "l"), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	want(t, "O_NOFOLLOW on a symlink", err, syscall.ELOOP)
	read(t, p, "first")
}

func testCreateRace(t *testing.T, dir string) {
	const n = 8
	for round := range 20 {
		p := filepath.Join(dir, fmt.Sprint(round))
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range n {
			wg.Add(1)
			go func() {
				defer wg.Done()
				f, err := os.OpenFile(p, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
				if err == nil {
					f.Close()
					mu.Lock()
					won++
					mu.Unlock()
				}
			}()
		}
		wg.Wait()
		if won != 1 {
			t.Fatalf("%d of %d made the same file", won, n)
		}
	}
}

func testDirs(t *testing.T, dir string) {
	d := filepath.Join(dir, "d")
	before := stat(t, dir).Nlink
	must(t, os.Mkdir(d, 0o755))
	if n := stat(t, dir).Nlink; n != before+1 && n != before {
		t.Errorf("%d links, %d before", n, before)
	}
	want(t, "mkdir twice", os.Mkdir(d, 0o755), syscall.EEXIST)
	write(t, filepath.Join(d, "f"), "")
	want(t, "rmdir of a full directory", syscall.Rmdir(d), syscall.ENOTEMPTY)
	want(t, "rmdir of a file", syscall.Rmdir(filepath.Join(d, "f")), syscall.ENOTDIR)
	want(t, "unlink of a directory", syscall.Unlink(d), syscall.EISDIR)
	must(t, os.Remove(filepath.Join(d, "f")))
	must(t, os.Remove(d))
	_, err := os.Stat(d)
	want(t, "stat of what was removed", err, syscall.ENOENT)
}

func testRename(t *testing.T, dir string) {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "a")
	write(t, b, "b")
	f, err := os.Open(b)
	must(t, err)
	defer f.Close()
	must(t, os.Rename(a, b))
	read(t, b, "a")
	buf := make([]byte, 2)
	if n, _ := f.ReadAt(buf, 0); string(buf[:n]) != "b" {
		t.Errorf("the replaced file reads %q", buf[:n])
	}
	_, err = os.Stat(a)
	want(t, "the old name", err, syscall.ENOENT)
	must(t, os.Rename(b, b))
	want(t, "rename of nothing", os.Rename(a, b), syscall.ENOENT)
	for i := range 50 { // what editors and git do
		tmp := filepath.Join(dir, "tmp")
		write(t, tmp, fmt.Sprint(i))
		must(t, os.Rename(tmp, b))
		read(t, b, fmt.Sprint(i))
	}
}

// testReplaced: programs replace a file by a rename so that readers always find the old one or the new one.
func testReplaced(t *testing.T, dir string) {
	const rounds = 400
	p, tmp := filepath.Join(dir, "f"), filepath.Join(dir, "tmp")
	write(t, p, "x")
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if b, err := os.ReadFile(p); err != nil || string(b) != "x" {
				done <- fmt.Errorf("%q, %w", b, err)
				return
			}
		}
	}()
	for range rounds {
		write(t, tmp, "x")
		must(t, os.Rename(tmp, p))
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error("a reader while the file is replaced:", err)
	}
}

func testRenameDirs(t *testing.T, dir string) {
	d, e := filepath.Join(dir, "d"), filepath.Join(dir, "e")
	must(t, os.MkdirAll(filepath.Join(d, "sub"), 0o755))
	write(t, filepath.Join(d, "sub", "f"), "f")
	want(t, "into itself", syscall.Rename(d, filepath.Join(d, "sub", "d")), syscall.EINVAL)
	must(t, os.Rename(d, e))
	read(t, filepath.Join(e, "sub", "f"), "f")
	must(t, os.Mkdir(d, 0o755))
	write(t, filepath.Join(d, "x"), "")
	want(t, "over a full directory", syscall.Rename(e, d), syscall.ENOTEMPTY)
	must(t, os.Remove(filepath.Join(d, "x")))
	must(t, syscall.Rename(e, d))
	write(t, e, "")
	want(t, "a directory over a file", syscall.Rename(d, e), syscall.ENOTDIR)
	want(t, "a file over a directory", syscall.Rename(e, d), syscall.EISDIR)
}

func testRenameFlags(t *testing.T, dir string) {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "a")
	write(t, b, "b")
	want(t, "NOREPLACE over a file", unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_NOREPLACE), syscall.EEXIST)
	must(t, unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE))
	read(t, a, "b")
	read(t, b, "a")
	must(t, unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, filepath.Join(dir, "c"), unix.RENAME_NOREPLACE))
	read(t, filepath.Join(dir, "c"), "b")
	want(t, "both flags", unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE|unix.RENAME_NOREPLACE), syscall.EINVAL)
}

func testLinks(t *testing.T, dir string) {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "one")
	must(t, os.Link(a, b))
	if x, y := stat(t, a), stat(t, b); x.Ino != y.Ino || x.Nlink != 2 || y.Nlink != 2 {
		t.Errorf("inodes %d and %d, links %d and %d", x.Ino, y.Ino, x.Nlink, y.Nlink)
	}
	write(t, a, "two")
	read(t, b, "two")
	want(t, "link over a name", os.Link(a, b), syscall.EEXIST)
	want(t, "link of a directory", syscall.Link(dir, filepath.Join(dir, "d")), syscall.EPERM)
	must(t, os.Remove(a))
	if n := stat(t, b).Nlink; n != 1 {
		t.Errorf("%d links after one was removed", n)
	}
	read(t, b, "two")
}

func testSymlinks(t *testing.T, dir string) {
	for i, target := range []string{"f", "../" + filepath.Base(dir) + "/f", strings.Repeat("x/", 2047) + "y", "\xff"} {
		p := filepath.Join(dir, fmt.Sprint(i))
		must(t, os.Symlink(target, p))
		if got, err := os.Readlink(p); err != nil || got != target {
			t.Errorf("%.20q: %.20q, %v", target, got, err)
		}
		if st := stat(t, p); st.Size != int64(len(target)) || st.Mode&syscall.S_IFMT != syscall.S_IFLNK {
			t.Errorf("size %d, mode %o", st.Size, st.Mode)
		}
	}
	write(t, filepath.Join(dir, "f"), "target")
	read(t, filepath.Join(dir, "0"), "target")
	read(t, filepath.Join(dir, "1"), "target")
	must(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	_, err := os.Stat(filepath.Join(dir, "loop"))
	want(t, "a loop", err, syscall.ELOOP)
}

func testSpecial(t *testing.T, dir string) {
	p := filepath.Join(dir, "fifo")
	must(t, unix.Mknod(p, unix.S_IFIFO|0o600, 0))
	done := make(chan error, 1)
	go func() { done <- os.WriteFile(p, []byte("through"), 0) }()
	read(t, p, "through")
	must(t, <-done)
	must(t, unix.Mknod(filepath.Join(dir, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	if st := stat(t, filepath.Join(dir, "null")); st.Rdev != unix.Mkdev(1, 3) || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		t.Errorf("device %x, mode %o", st.Rdev, st.Mode)
	}
	must(t, unix.Mknod(filepath.Join(dir, "sock"), unix.S_IFSOCK|0o600, 0))
}

func testLargeDir(t *testing.T, dir string) {
	const n = 2000
	for i := range n {
		write(t, filepath.Join(dir, fmt.Sprintf("%d-%s", i, strings.Repeat("x", i%100))), "")
	}
	seen := map[string]bool{}
	list, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range list {
		if seen[e.Name()] {
			t.Errorf("%s twice", e.Name())
		}
		seen[e.Name()] = true
		fi, err := e.Info()
		if err != nil || fi.Size() != 0 || !e.Type().IsRegular() {
			t.Fatalf("%s: %v, %v", e.Name(), e.Type(), err)
		}
		st := stat(t, filepath.Join(dir, e.Name()))
		if st.Ino != fi.Sys().(*syscall.Stat_t).Ino {
			t.Errorf("%s: two inode numbers", e.Name())
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d names", len(seen), n)
	}
}

func testReaddirUnlink(t *testing.T, dir string) {
	const n = 600
	for i := range n {
		write(t, filepath.Join(dir, fmt.Sprint(i)), "")
	}
	f, err := os.Open(dir)
	must(t, err)
	defer f.Close()
	for {
		names, err := f.Readdirnames(7)
		if len(names) == 0 {
			break
		}
		must(t, err)
		for _, name := range names {
			must(t, os.Remove(filepath.Join(dir, name)))
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("%d names were left out, %v", len(list), err)
	}
}

func testRewind(t *testing.T, dir string) {
	write(t, filepath.Join(dir, "a"), "")
	f, err := os.Open(dir)
	must(t, err)
	defer f.Close()
	if names, err := f.Readdirnames(-1); err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	write(t, filepath.Join(dir, "b"), "")
	_, err = f.Seek(0, 0)
	must(t, err)
	if names, err := f.Readdirnames(-1); err != nil || len(names) != 2 {
		t.Errorf("after rewind: %v, %v", names, err)
	}
}

func testDeep(t *testing.T, dir string) {
	p := dir
	for i := range 60 {
		p = filepath.Join(p, fmt.Sprint(i))
		must(t, os.Mkdir(p, 0o755))
	}
	write(t, filepath.Join(p, "f"), "deep")
	read(t, filepath.Join(p, "..", filepath.Base(p), "f"), "deep")
	must(t, os.Rename(filepath.Join(dir, "0"), filepath.Join(dir, "moved")))
	read(t, filepath.Join(dir, "moved", strings.TrimPrefix(p, filepath.Join(dir, "0")), "f"), "deep")
}
