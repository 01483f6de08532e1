package vfstest

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var rangeCases = []testCase{
	{"fallocate modes", func(c *Config) bool { return c.NoFallocate }, testFallocateModes},
	{"many holes", func(c *Config) bool { return c.NoHoles }, testManyHoles},
	{"what was just written is no hole", nil, testFreshData},
	{"truncate of a mapping", nil, testMmapTruncate},
	{"growth shows zeros", nil, testGrow},
	{"copy_file_range at the end", func(c *Config) bool { return c.NoCopy }, testCopyEnd},
}

func testFallocateModes(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	fd := int(f.Fd())
	_, err = f.WriteAt(pattern(20000), 0)
	must(t, err)
	expect := pattern(20000)
	must(t, unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 100, 50)) // within a page
	clear(expect[100:150])
	must(t, unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 19000, 1<<30))
	clear(expect[19000:])
	if b, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(b, expect) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := unix.Fallocate(fd, unix.FALLOC_FL_ZERO_RANGE, 15000, 10000); err == nil { // not every file system has it
		clear(expect[15000:])
		expect = append(expect, make([]byte, 5000)...)
		if b, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(b, expect) {
			t.Errorf("ZERO_RANGE: %d bytes, %v", len(b), err)
		}
	}
	r, err := os.Open(f.Name())
	must(t, err)
	defer r.Close()
	want(t, "of what was opened for reading", unix.Fallocate(int(r.Fd()), 0, 0, 1), syscall.EBADF)
}

func testManyHoles(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	const step, n = 1 << 20, 5
	for i := range int64(n) {
		_, err := f.WriteAt([]byte("x"), i*step)
		must(t, err)
	}
	must(t, f.Sync())
	at := int64(0)
	for i := range int64(n) {
		data, err := f.Seek(at, unix.SEEK_DATA)
		if err != nil || data > i*step || data < i*step-(step/2) {
			t.Fatalf("data %d at %d, %v", i, data, err)
		}
		if at, err = f.Seek(i*step, unix.SEEK_HOLE); err != nil || at <= i*step || at > i*step+step/2 {
			t.Fatalf("hole %d at %d, %v", i, at, err)
		}
	}
	if blocks := stat(t, f.Name()).Blocks; blocks*512 > n*step/2 {
		t.Errorf("%d bytes in use for %d", blocks*512, n)
	}
}

func testFreshData(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	const at = 1 << 20
	for i := range int64(3) { // nothing of it need be on the disk yet
		data := pattern(10000)
		_, err := f.WriteAt(data, i*at)
		must(t, err)
		if off, err := f.Seek(i*at, unix.SEEK_DATA); err != nil || off != i*at {
			t.Errorf("data at %d, %v, want %d", off, err, i*at)
		}
		if off, err := f.Seek(i*at, unix.SEEK_HOLE); err != nil || off < i*at+int64(len(data)) {
			t.Errorf("a hole at %d, %v, behind %d", off, err, i*at)
		}
	}
	_, err = f.Seek(3*at, unix.SEEK_DATA)
	want(t, "data behind the end", err, syscall.ENXIO)
}

func testMmapTruncate(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	must(t, f.Truncate(4096))
	m, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	defer unix.Munmap(m)
	copy(m, "mapped")
	must(t, unix.Msync(m, unix.MS_SYNC))
	must(t, f.Truncate(3))
	must(t, f.Truncate(10))
	read(t, f.Name(), "map\x00\x00\x00\x00\x00\x00\x00")
	if string(m[:6]) != "map\x00\x00\x00" {
		t.Errorf("the mapping shows %q", m[:6])
	}
}

func testGrow(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt(bytes.Repeat([]byte{'x'}, 9000), 0)
	must(t, err)
	must(t, f.Truncate(100))
	_, err = f.WriteAt([]byte("end"), 8000)
	must(t, err)
	expect := append(bytes.Repeat([]byte{'x'}, 100), make([]byte, 7900)...)
	if b, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(b, append(expect, "end"...)) {
		t.Errorf("%d bytes, %v: what was cut off came back", len(b), err)
	}
}

func testCopyEnd(t *testing.T, dir string) {
	write(t, filepath.Join(dir, "a"), "0123456789")
	a, err := os.OpenFile(filepath.Join(dir, "a"), os.O_RDWR, 0)
	must(t, err)
	defer a.Close()
	b, err := os.Create(filepath.Join(dir, "b"))
	must(t, err)
	defer b.Close()
	from, to := int64(8), int64(3)
	if n, err := unix.CopyFileRange(int(a.Fd()), &from, int(b.Fd()), &to, 100, 0); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	read(t, filepath.Join(dir, "b"), "\x00\x00\x0089")
	from = 10
	if n, err := unix.CopyFileRange(int(a.Fd()), &from, int(b.Fd()), nil, 100, 0); err != nil || n != 0 {
		t.Errorf("from the end: %d, %v", n, err)
	}
	from, to = 0, 5
	_, err = unix.CopyFileRange(int(a.Fd()), &from, int(a.Fd()), &to, 8, 0)
	want(t, "ranges of one file that overlap", err, syscall.EINVAL)
}
