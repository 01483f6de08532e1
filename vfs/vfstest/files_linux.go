package vfstest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var fileCases = []testCase{
	{"write and read", nil, testWriteRead},
	{"open flags", nil, testOpenFlags},
	{"append by many", nil, testAppend},
	{"truncate", nil, testTruncate},
	{"unlinked and open", nil, testUnlinkOpen},
	{"no name", func(c *Config) bool { return c.NoTmpfile }, testTmpfile},
	{"mmap", nil, testMmap},
	{"direct", nil, testDirect},
	{"holes", func(c *Config) bool { return c.NoHoles }, testHoles},
	{"fallocate", func(c *Config) bool { return c.NoFallocate }, testFallocate},
	{"copy_file_range", func(c *Config) bool { return c.NoCopy }, testCopyRange},
	{"far offsets", nil, testFar},
	{"fsync", nil, testFsync},
	{"many readers and writers", nil, testParallel},
}

// pattern is n bytes that differ from place to place.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	return b
}

func testWriteRead(t *testing.T, dir string) {
	for _, n := range []int{0, 1, 4095, 4096, 4097, 128 << 10, 1<<20 + 3, 5 << 20} {
		p := filepath.Join(dir, fmt.Sprint(n))
		data := pattern(n)
		must(t, os.WriteFile(p, data, 0o644))
		if got, err := os.ReadFile(p); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: %d, %v", n, len(got), err)
		}
		if st := stat(t, p); st.Size != int64(n) {
			t.Errorf("%d bytes: size %d", n, st.Size)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, "4097"), os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte("xyz"), 4095)
	must(t, err)
	buf := make([]byte, 10)
	if n, err := f.ReadAt(buf, 4094); n != 4 || err != io.EOF || string(buf[1:4]) != "xyz" {
		t.Errorf("%d bytes, %v, %q", n, err, buf[:n])
	}
	if n, err := f.ReadAt(buf, 1<<30); n != 0 || err != io.EOF {
		t.Errorf("beyond the end: %d, %v", n, err)
	}
}

func testOpenFlags(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "hello")
	r, err := os.Open(p)
	must(t, err)
	defer r.Close()
	_, err = r.Write([]byte("x"))
	want(t, "write to what was opened for reading", err, syscall.EBADF)
	w, err := os.OpenFile(p, os.O_WRONLY, 0)
	must(t, err)
	defer w.Close()
	_, err = w.Read(make([]byte, 1))
	want(t, "read of what was opened for writing", err, syscall.EBADF)
	x, err := os.OpenFile(p, os.O_RDWR|os.O_TRUNC, 0)
	must(t, err)
	x.Close()
	read(t, p, "")
	_, err = os.OpenFile(dir, os.O_WRONLY, 0)
	want(t, "a directory for writing", err, syscall.EISDIR)
	_, err = os.OpenFile(p, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	want(t, "a file as a directory", err, syscall.ENOTDIR)
}

func testAppend(t *testing.T, dir string) {
	const writers, lines = 6, 50
	p := filepath.Join(dir, "log")
	var wg sync.WaitGroup
	for w := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			f, err := os.OpenFile(p, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range lines {
				if _, err := fmt.Fprintf(f, "%d-%d\n", w, i); err != nil {
					t.Error(err)
				}
			}
			if err := f.Close(); err != nil { // where a delayed write's error comes out
				t.Errorf("close by writer %d: %v", w, err)
			}
		}()
	}
	wg.Wait()
	b, err := os.ReadFile(p)
	must(t, err)
	if n := strings.Count(string(b), "\n"); n != writers*lines {
		t.Errorf("%d of %d lines in %d bytes, %d of them zero", n, writers*lines, len(b), bytes.Count(b, []byte{0}))
	}
	for w := range writers {
		for i := range lines {
			if !bytes.Contains(b, fmt.Appendf(nil, "%d-%d\n", w, i)) {
				t.Fatalf("line %d-%d is missing", w, i)
			}
		}
	}
}

func testTruncate(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	must(t, os.WriteFile(p, pattern(10000), 0o644))
	must(t, os.Truncate(p, 5000))
	must(t, os.Truncate(p, 9000))
	b, err := os.ReadFile(p)
	if err != nil || len(b) != 9000 || !bytes.Equal(b[:5000], pattern(5000)) || !bytes.Equal(b[5000:], make([]byte, 4000)) {
		t.Errorf("%d bytes, %v: what was cut off came back, or more was lost", len(b), err)
	}
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	must(t, f.Truncate(3))
	if fi, err := f.Stat(); err != nil || fi.Size() != 3 {
		t.Errorf("%v, %v", fi.Size(), err)
	}
	want(t, "a negative size", syscall.Truncate(p, -1), syscall.EINVAL)
	want(t, "truncate of a directory", syscall.Truncate(dir, 0), syscall.EISDIR)
}

func testUnlinkOpen(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	f, err := os.OpenFile(p, os.O_CREATE|os.O_RDWR, 0o644)
	must(t, err)
	defer f.Close()
	_, err = f.Write([]byte("still here"))
	must(t, err)
	must(t, os.Remove(p))
	write(t, p, "another")
	buf := make([]byte, 20)
	if n, _ := f.ReadAt(buf, 0); string(buf[:n]) != "still here" {
		t.Errorf("%q", buf[:n])
	}
	var st syscall.Stat_t
	must(t, syscall.Fstat(int(f.Fd()), &st))
	if st.Nlink != 0 || st.Size != 10 {
		t.Errorf("%d links, %d bytes", st.Nlink, st.Size)
	}
	must(t, f.Chmod(0o600))
	must(t, f.Truncate(2))
	read(t, p, "another")
}

func testTmpfile(t *testing.T, dir string) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	must(t, err)
	f := os.NewFile(uintptr(fd), "tmpfile")
	defer f.Close()
	_, err = f.Write([]byte("named later"))
	must(t, err)
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("%d names, %v", len(list), err)
	}
	p := filepath.Join(dir, "f")
	must(t, unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, p, unix.AT_SYMLINK_FOLLOW))
	read(t, p, "named later")
}

func testMmap(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	must(t, os.WriteFile(p, pattern(3*4096), 0o644))
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	m, err := unix.Mmap(int(f.Fd()), 0, 3*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	if !bytes.Equal(m, pattern(3*4096)) {
		t.Error("a mapping shows other data")
	}
	copy(m[5000:], "through the mapping")
	must(t, unix.Msync(m, unix.MS_SYNC))
	buf := make([]byte, 19)
	if _, err := f.ReadAt(buf, 5000); err != nil || string(buf) != "through the mapping" {
		t.Errorf("%q, %v", buf, err)
	}
	_, err = f.WriteAt([]byte("WRITTEN"), 100)
	must(t, err)
	if string(m[100:107]) != "WRITTEN" {
		t.Errorf("the mapping shows %q", m[100:107])
	}
	must(t, unix.Munmap(m))
}

func testDirect(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	m, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	must(t, err)
	defer unix.Munmap(m)
	copy(m, pattern(1<<20))
	fd, err := unix.Open(p, unix.O_CREAT|unix.O_RDWR|unix.O_DIRECT, 0o644)
	if err == unix.EINVAL {
		return // a back-end without
	}
	must(t, err)
	defer unix.Close(fd)
	n, err := unix.Pwrite(fd, m, 4096)
	if err != nil || n != len(m) {
		t.Fatal(n, err)
	}
	b, err := os.ReadFile(p)
	if err != nil || !bytes.Equal(b[4096:], pattern(1<<20)) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	clear(m)
	if n, err := unix.Pread(fd, m, 4096); err != nil || n != len(m) || !bytes.Equal(m, pattern(1<<20)) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func testHoles(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	const far = 8 << 20
	_, err = f.WriteAt([]byte("data"), far)
	must(t, err)
	must(t, f.Sync())
	if off, err := f.Seek(0, unix.SEEK_DATA); err != nil || off < 4096 || off > far {
		t.Errorf("data at %d, %v", off, err)
	}
	if off, err := f.Seek(0, unix.SEEK_HOLE); err != nil || off != 0 {
		t.Errorf("hole at %d, %v", off, err)
	}
	if off, err := f.Seek(far, unix.SEEK_HOLE); err != nil || off < far+4 {
		t.Errorf("hole behind the data at %d, %v", off, err)
	}
	_, err = f.Seek(far+100, unix.SEEK_DATA)
	want(t, "data behind the end", err, syscall.ENXIO)
	buf := make([]byte, 100)
	if _, err := f.ReadAt(buf, 1<<20); err != nil || !bytes.Equal(buf, make([]byte, 100)) {
		t.Errorf("a hole reads %q, %v", buf, err)
	}
}

func testFallocate(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	fd := int(f.Fd())
	must(t, unix.Fallocate(fd, 0, 0, 100000))
	if fi, err := f.Stat(); err != nil || fi.Size() != 100000 {
		t.Errorf("%v, %v", fi.Size(), err)
	}
	must(t, unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, 200000))
	if fi, err := f.Stat(); err != nil || fi.Size() != 100000 {
		t.Errorf("%v, %v", fi.Size(), err)
	}
	_, err = f.WriteAt(pattern(100000), 0)
	must(t, err)
	must(t, unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE|unix.FALLOC_FL_PUNCH_HOLE, 4096, 8192))
	b := make([]byte, 100000)
	_, err = f.ReadAt(b, 0)
	must(t, err)
	p := pattern(100000)
	clear(p[4096 : 4096+8192])
	if !bytes.Equal(b, p) {
		t.Error("a punched hole is not what was asked for")
	}
	want(t, "no length", unix.Fallocate(fd, 0, 0, 0), syscall.EINVAL)
}

func testCopyRange(t *testing.T, dir string) {
	must(t, os.WriteFile(filepath.Join(dir, "a"), pattern(300000), 0o644))
	a, err := os.Open(filepath.Join(dir, "a"))
	must(t, err)
	defer a.Close()
	b, err := os.Create(filepath.Join(dir, "b"))
	must(t, err)
	defer b.Close()
	from, to := int64(1000), int64(0)
	for to < 200000 {
		n, err := unix.CopyFileRange(int(a.Fd()), &from, int(b.Fd()), &to, int(200000-to), 0)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "b"))
	if err != nil || !bytes.Equal(got, pattern(300000)[1000:201000]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func testFar(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	const far = 1 << 40
	if _, err := f.WriteAt([]byte("far"), far); err != nil {
		want(t, "a write at 1 TiB", err, syscall.EFBIG)
		return
	}
	buf := make([]byte, 3)
	if _, err := f.ReadAt(buf, far); err != nil || string(buf) != "far" {
		t.Errorf("%q, %v", buf, err)
	}
	if fi, err := f.Stat(); err != nil || fi.Size() != far+3 {
		t.Errorf("%v, %v", fi.Size(), err)
	}
}

func testFsync(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	_, err = f.Write(pattern(10000))
	must(t, err)
	must(t, f.Sync())
	must(t, unix.Fdatasync(int(f.Fd())))
	d, err := os.Open(dir)
	must(t, err)
	defer d.Close()
	must(t, d.Sync())
}

func testParallel(t *testing.T, dir string) {
	const workers, size = 4, 1 << 20
	p := filepath.Join(dir, "f")
	must(t, os.WriteFile(p, make([]byte, workers*size), 0o644))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			f, err := os.OpenFile(p, os.O_RDWR, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() {
				if err := f.Close(); err != nil {
					t.Errorf("close by worker %d: %v", w, err)
				}
			}()
			data := bytes.Repeat([]byte{byte(w + 1)}, 64<<10)
			got := make([]byte, len(data))
			for off := int64(0); off < size; off += int64(len(data)) {
				at := int64(w)*size + off
				if _, err := f.WriteAt(data, at); err != nil {
					t.Error(err)
				}
				if _, err := f.ReadAt(got, at); err != nil || !bytes.Equal(got, data) {
					t.Errorf("worker %d at %d: %v", w, at, err)
				}
			}
		}()
	}
	wg.Wait()
}
