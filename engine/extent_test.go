//go:build linux

package engine

import (
	"bytes"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/ring"
	"github.com/fastfsd/fastfsd/vfs"
)

// newDesk is a desk in a setting, with a file system of its own.
func newDesk(t *testing.T, s setting, inline bool) (*desk, *acts) {
	t.Helper()
	e, _ := newEngine(t, Config{Loops: 1, Pool: 2})
	fs := &acts{inline: inline}
	c := e.Attach(newConn(t, fs))
	t.Cleanup(c.Detach)
	return s.open(t, c, e.Loops()[0]), fs
}

// eachLoop runs f with a loop that has a ring and with one that has none.
func eachLoop(t *testing.T, f func(t *testing.T, s setting)) {
	for _, s := range []setting{settings[0], settings[2]} {
		t.Run(s.name, func(t *testing.T) { f(t, s) })
	}
}

// TestSlotAgain: one slot, used for transfers in all ways, long ones and short ones, one after the other. Nothing of one may
// show in the next: not how much has been moved, not a byte.
func TestSlotAgain(t *testing.T) {
	eachLoop(t, func(t *testing.T, s setting) {
		seed := rand.Uint64()
		t.Log("seed", seed)
		slotAgain(t, s, rand.New(rand.NewPCG(seed, 0)))
	})
}

func slotAgain(t *testing.T, s setting, r *rand.Rand) {
	d, fs := newDesk(t, s, true)
	full, empty := patternFile(t), emptyFile(t)
	var often, rarely []func(off, n int)
	add := func(w *way, move func(off, n int)) {
		if w.disk {
			rarely = append(rarely, move)
		} else {
			often = append(often, move)
		}
	}
	for _, w := range openWays(t, full) {
		base := w.add(fs)
		add(w, func(off, n int) {
			c := d.wait(d.start(readCall(base+int64(off), n)))
			if c.errno != vfs.OK || !bytes.Equal(c.answer, patternAt(int64(off), n)) {
				t.Errorf("READ of %d bytes at %d, %s: %v, %d bytes", n, off, w.name, c.errno, len(c.answer))
			}
		})
	}
	for _, w := range openWays(t, empty) {
		if w.before != nil {
			continue
		}
		base := w.add(fs)
		add(w, func(off, n int) {
			data := pattern[n : 2*n]
			c := d.wait(d.start(writeCall(base+int64(off), data)))
			if c.errno != vfs.OK || written(c) != n || !holds(empty, int64(off), data) {
				t.Errorf("WRITE of %d bytes at %d, %s: %v, %d bytes", n, off, w.name, c.errno, written(c))
			}
		})
	}
	for range 600 {
		off, n := r.IntN(len(pattern)/block+1)*block, block<<r.IntN(4) // some end behind the end of the file
		moves := often
		if r.IntN(8) == 0 {
			moves = rarely
		}
		moves[r.IntN(len(moves))](off, n)
	}
	if len(d.cells) != 1 {
		t.Errorf("%d slots were used", len(d.cells))
	}
}

// TestExtentEnds: a READ is short at the end of the file and nowhere else.
func TestExtentEnds(t *testing.T) {
	eachLoop(t, func(t *testing.T, s setting) {
		d, fs := newDesk(t, s, true)
		for _, w := range openWays(t, patternFile(t)) {
			base := w.add(fs)
			for _, off := range []int{0, deskPayload, len(pattern) - 10, len(pattern), len(pattern) + 10*block} {
				for _, n := range []int{0, block, deskPayload} {
					off = w.fit(off)
					c := d.wait(d.start(readCall(base+int64(off), n)))
					if c.errno != vfs.OK || !bytes.Equal(c.answer, patternAt(int64(off), n)) {
						t.Errorf("READ of %d bytes at %d, %s: %v, %d bytes", n, off, w.name, c.errno, len(c.answer))
					}
				}
			}
		}
	})
}

// kept is a file that is not closed when its last reference goes.
type kept struct{ closed atomic.Int32 }

func (k *kept) CloseFile(*vfs.File) { k.closed.Add(1) }

// classes are the kinds of files that the engine moves extents of in different ways.
func classes(fd int, k *kept) map[string]*vfs.File {
	files := map[string]*vfs.File{
		"may wait": {}, "nowait": {Nowait: true, Pace: &vfs.Pace{}}, "memory": {Pace: &vfs.Pace{Class: vfs.PaceMemory}},
		"direct": {Direct: true}, "remote": {Nowait: true, Pace: &vfs.Pace{Class: vfs.PaceRemote}},
	}
	for _, f := range files {
		f.Init(fd)
		f.Closer = k
	}
	return files
}

// TestExtentErrors: the error of the host is the answer. Of a WRITE that has moved something it is the number of bytes, of
// a READ the error all the same: a short one would be the end of the file.
func TestExtentErrors(t *testing.T) {
	mem, hole := memoryWithHole(t)
	cases := []struct {
		name  string
		fd    int
		off   int64
		write bool
		want  vfs.Errno
		n     int
	}{
		{"no such descriptor", 1 << 20, 0, false, vfs.EBADF, 0},
		{"no such descriptor", 1 << 20, 0, true, vfs.EBADF, 0},
		{"not mapped", mem, 4096, false, vfs.EIO, 0},
		{"half mapped", mem, hole - block, false, vfs.EIO, 0},
		{"full", openFD(t, "/dev/full", unix.O_WRONLY), 0, true, vfs.ENOSPC, 0},
		{"full after a block", sealed(t, block), 0, true, vfs.OK, block},
		{"full at once", sealed(t, block), block, true, vfs.EPERM, 0},
	}
	each(t, func(t *testing.T, s setting, inline bool) {
		d, fs := newDesk(t, s, inline)
		k := &kept{}
		files := 0
		for _, c := range cases {
			for class, f := range classes(c.fd, k) {
				for _, wait := range []bool{false, true} {
					base := (&way{file: f, at: c.off, wait: wait}).add(fs)
					call := readCall(base, 2*block)
					if c.write {
						call = writeCall(base, make([]byte, 2*block))
					}
					d.wait(d.start(call))
					if call.errno != c.want || c.n > 0 && written(call) != c.n {
						t.Errorf("%s, write %v, %s, off the loop %v: %v, %d bytes, want %v", c.name, c.write, class, wait, call.errno, len(call.answer), c.want)
					}
				}
				f.Put()
				files++
			}
		}
		if n := k.closed.Load(); int(n) != files {
			t.Errorf("%d of %d files lost their last reference", n, files)
		}
	})
}

// memoryWithHole is this process's memory as a file, and the address in it of a page that cannot be read while the one before
// can: it lies behind the end of the file that is mapped.
func memoryWithHole(t *testing.T) (fd int, hole int64) {
	t.Helper()
	mem, err := unix.Mmap(sealed(t, block), 0, 2*block, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	return openFD(t, "/proc/self/mem", unix.O_RDONLY), int64(ring.Addr(mem)) + block
}

// openFD opens a file for this test.
func openFD(t *testing.T, path string, flags int) int {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(path, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// sealed is a file of n bytes that cannot grow.
func sealed(t *testing.T, n int64) int {
	t.Helper()
	fd, err := unix.MemfdCreate("sealed", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Ftruncate(fd, n); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_GROW); err != nil {
		t.Fatal(err)
	}
	return fd
}

// TestExtentHook: a hook hears of the I/O's result and makes the answer of it, whichever way the extent went.
func TestExtentHook(t *testing.T) {
	eachLoop(t, func(t *testing.T, s setting) {
		d, fs := newDesk(t, s, true)
		for _, w := range openWays(t, patternFile(t)) {
			h := &hook{}
			for _, turn := range []struct {
				res   int32 // that the hook returns
				errno vfs.Errno
				n     int
			}{{100, vfs.OK, 100}, {-int32(vfs.EXDEV), vfs.EXDEV, 0}} {
				h.res = turn.res
				base := (&way{file: w.file, wait: w.wait, after: h}).add(fs)
				c := d.wait(d.start(readCall(base, block)))
				if c.errno != turn.errno || len(c.answer) != turn.n {
					t.Errorf("%s: %v with %d bytes, want %v with %d", w.name, c.errno, len(c.answer), turn.errno, turn.n)
				}
			}
			if h.calls != 2 || h.got != block {
				t.Errorf("%s: %d calls, the last one with %d", w.name, h.calls, h.got)
			}
		}
	})
}

// hook notes what it hears.
type hook struct {
	res, got int32
	calls    int
}

// Done implements vfs.Hook.
func (h *hook) Done(_ *vfs.Op, _ uint64, res int32) int32 {
	h.got = res
	h.calls++
	return h.res
}

// TestExtentInPieces: what a pipe gives piece by piece is one answer, and the loop goes on meanwhile.
func TestExtentInPieces(t *testing.T) {
	d, fs := newDesk(t, settings[0], true)
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	f := vfs.NewFile(p[0])
	base := (&way{file: f}).add(fs)
	other := fs.add(answer('o'))
	c := d.start(readCall(base, 1000))
	sent := 0
	for n := 1; n < 10; n++ {
		if _, err := unix.Write(p[1], pattern[sent:sent+n]); err != nil {
			t.Fatal(err)
		}
		sent += n
		d.wantRead(other, 10, 'o')
		eventually(t, "the pipe is empty", func() bool { return buffered(t, p[0]) == 0 })
	}
	select {
	case <-c.done:
		t.Fatal("answered before the end")
	default:
	}
	if err := unix.Close(p[1]); err != nil {
		t.Fatal(err)
	}
	if d.wait(c); c.errno != vfs.OK || !bytes.Equal(c.answer, pattern[:sent]) {
		t.Errorf("%v with %d bytes, %d were sent", c.errno, len(c.answer), sent)
	}
	f.Put()
}

// buffered is how many bytes wait in a pipe.
func buffered(t *testing.T, fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
