//go:build linux

package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// way is how the engine comes to move an extent.
type way struct {
	name   string
	file   *vfs.File
	at     int64                    // what lies at the act's offset 0
	align  int                      // offsets and lengths are multiples of it
	before func(off int64, n int32) // called by the method
	after  vfs.Hook                 // hears of the result
	disk   bool                     // each transfer waits for the disk: not to be used too often
	wait   bool                     // the method runs off the loop first
}

// block is the alignment that O_DIRECT wants.
const block = 4096

// openWays opens a file for every way.
func openWays(t testing.TB, path string) []*way {
	t.Helper()
	open := func(flags int, set func(f *vfs.File)) *vfs.File {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|flags, 0)
		if err != nil {
			t.Fatal(path, err)
		}
		f := vfs.NewFile(fd)
		set(f)
		t.Cleanup(func() {
			if f.Put(); f.FD != -1 {
				t.Errorf("%s: an extent still has its file", path)
			}
		})
		return f
	}
	local, memory := &vfs.Pace{}, &vfs.Pace{Class: vfs.PaceMemory}
	ways := []*way{
		{name: "cached", file: open(0, func(f *vfs.File) { f.Nowait, f.Pace = true, local }), align: 1},
		{name: "half cached", file: open(0, func(f *vfs.File) { f.Nowait, f.Pace = true, local }), align: 1},
		{name: "memory", file: open(0, func(f *vfs.File) { f.Pace = memory }), align: 1},
		{name: "may wait", file: open(0, func(*vfs.File) {}), align: 1},
		{name: "direct", file: open(unix.O_DIRECT, func(f *vfs.File) { f.Direct, f.Pace = true, local }), align: block},
		{name: "direct memory", file: open(unix.O_DIRECT, func(f *vfs.File) { f.Direct, f.Pace = true, memory }), align: block},
	}
	for _, w := range ways {
		w.disk = w.file.Direct || w.name == "half cached"
	}
	half := ways[1]
	if err := unix.Fadvise(int(half.file.FD), 0, 0, unix.FADV_RANDOM); err != nil {
		t.Fatal(err)
	}
	half.before = func(off int64, n int32) { halfCached(int(half.file.FD), off, n) }
	for _, w := range ways[:len(ways):len(ways)] {
		off := *w
		off.name, off.wait = w.name+", off the loop", true
		ways = append(ways, &off)
	}
	return ways
}

// halfCached drops a range of a file from memory, as far as it is clean, and reads the first half of it.
func halfCached(fd int, off int64, n int32) {
	_ = unix.Fadvise(fd, off, int64(n), unix.FADV_DONTNEED)
	_, _ = unix.Pread(fd, make([]byte, n/2), off)
}

// act is the method of a file system whose extents go this way.
func (w *way) act() act {
	f := func(op *vfs.Op, off int64, n int32, _ []byte) (vfs.Payload, vfs.Errno) {
		if w.before != nil {
			w.before(off, n)
		}
		p := op.Extent(w.file, w.at+off, n)
		p.After = w.after
		return p, vfs.OK
	}
	if w.wait {
		return offLoop(f)
	}
	return f
}

// add makes the way an act of fs.
func (w *way) add(fs *acts) (off int64) { return fs.add(w.act()) }

// fit rounds an offset or a length to what the way can do.
func (w *way) fit(n int) int { return n - n%w.align }

// pattern is the content of the file that is read: no block is like another.
var pattern = func() []byte {
	b := make([]byte, 5*deskPayload/2+123)
	for i := range b {
		b[i] = byte(i*13 ^ i>>8*31)
	}
	return b
}()

// patternAt is what a read of n bytes finds.
func patternAt(off int64, n int) []byte {
	end := min(off+int64(n), int64(len(pattern)))
	return pattern[min(off, end):end]
}

// patternFile is a file with the pattern in it, written to its disk.
func patternFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pattern")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(pattern); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	return path
}

// emptyFile is a file to write to.
func emptyFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// holds says whether a file has these bytes at off.
func holds(path string, off int64, data []byte) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	got := make([]byte, len(data))
	n, _ := f.ReadAt(got, off)
	return bytes.Equal(got[:n], data)
}
