//go:build linux

package ring

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// openTemp is a new file of this content, open for reading and writing.
func openTemp(t testing.TB, content string) int32 {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return int32(fd)
}

// pipe is a new pipe, read end first.
func pipe(t testing.TB) [2]int32 {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(p[0]); _ = unix.Close(p[1]) })
	return [2]int32{int32(p[0]), int32(p[1])}
}

func eventfd(t testing.TB) int32 {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return int32(fd)
}

func TestReadWrite(t *testing.T) {
	r, b, fd := newRing(t, Config{Flags: loopFlags}), alloc4k(t), openTemp(t, "0123456789")
	a := Addr(b)
	copy(b[100:], "abc")
	sqe(t, r).Write(fd, a+100, 3, 4).SetUserData(1)
	want(t, r, 1, 3)
	sqe(t, r).Read(fd, a, 10, 0).SetUserData(2)
	want(t, r, 2, 10)
	if string(b[:10]) != "0123abc789" {
		t.Fatalf("read %q", b[:10])
	}
	// Two areas of two and three bytes, in iovecs outside the Go heap as well.
	iov := b[2048:]
	for i, v := range []uint64{uint64(a + 200), 2, uint64(a + 300), 3} {
		binary.NativeEndian.PutUint64(iov[8*i:], v)
	}
	sqe(t, r).Readv(fd, Addr(iov), 2, 5, 0).SetUserData(3)
	want(t, r, 3, 5)
	if got := string(b[200:202]) + string(b[300:303]); got != "bc789" {
		t.Fatalf("readv read %q", got)
	}
	sqe(t, r).Writev(fd, Addr(iov), 2, 0, 0).SetUserData(4)
	want(t, r, 4, 5)
	sqe(t, r).Fsync(fd, FsyncDatasync).SetUserData(5)
	want(t, r, 5, 0)
	sqe(t, r).Fallocate(fd, 0, 0, 100).SetUserData(6)
	want(t, r, 6, 0)
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil || st.Size != 100 {
		t.Fatalf("size %d after fallocate, %v", st.Size, err)
	}
	sqe(t, r).Read(99999, a, 1, 0).SetUserData(7)
	want(t, r, 7, -int32(syscall.EBADF))
}

func TestOpenStatClose(t *testing.T) {
	r, b := newRing(t, Config{Flags: loopFlags}), alloc4k(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	dfd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(dfd) }()
	path, how, stat := b[:64], b[64:88], b[512:768]
	copy(path, "f\x00")
	binary.NativeEndian.PutUint64(how, unix.O_RDONLY|unix.O_CLOEXEC)
	binary.NativeEndian.PutUint64(how[16:], unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
	sqe(t, r).Openat2(int32(dfd), Addr(path), Addr(how), 24).SetUserData(1)
	c := next(t, r)
	if c.Res < 0 {
		t.Fatalf("openat2: %v", syscall.Errno(-c.Res))
	}
	sqe(t, r).Statx(int32(dfd), Addr(path), 0, unix.STATX_SIZE, Addr(stat)).SetUserData(2)
	want(t, r, 2, 0)
	if size := binary.NativeEndian.Uint64(stat[40:]); size != 5 {
		t.Fatalf("statx says %d bytes", size)
	}
	sqe(t, r).Close(c.Res).SetUserData(3)
	want(t, r, 3, 0)
	copy(path, "../x\x00")
	sqe(t, r).Openat2(int32(dfd), Addr(path), Addr(how), 24).SetUserData(4)
	want(t, r, 4, -int32(syscall.EXDEV))
}

func TestSplice(t *testing.T) {
	r, fd, p := newRing(t, Config{Flags: loopFlags}), openTemp(t, "0123456789"), pipe(t)
	sqe(t, r).Splice(fd, 3, p[1], -1, 4, 0).SetUserData(1)
	want(t, r, 1, 4)
	var got [16]byte
	if n, err := unix.Read(int(p[0]), got[:]); err != nil || string(got[:n]) != "3456" {
		t.Fatalf("%q came out of the pipe, %v", got[:n], err)
	}
}

func TestTimeoutAndRemove(t *testing.T) {
	r, b := newRing(t, Config{Flags: loopFlags}), alloc4k(t)
	soon, late := b[:16], b[16:32]
	binary.NativeEndian.PutUint64(soon[8:], 1e6)
	binary.NativeEndian.PutUint64(late, 3600)
	sqe(t, r).Timeout(Addr(soon), 0, 0).SetUserData(1)
	want(t, r, 1, -int32(syscall.ETIME))
	sqe(t, r).Timeout(Addr(late), 0, 0).SetUserData(2)
	sqe(t, r).TimeoutRemove(2).SetUserData(3)
	got := map[uint64]int32{}
	for range 2 {
		c := next(t, r)
		got[c.UserData] = c.Res
	}
	if got[2] != -int32(syscall.ECANCELED) || got[3] != 0 {
		t.Fatalf("results %v", got)
	}
}

func TestLink(t *testing.T) {
	r, b, p := newRing(t, Config{Flags: loopFlags}), alloc4k(t), pipe(t)
	// The first of the chain fails, so the second must not run.
	sqe(t, r).Read(99999, Addr(b), 1, 0).SetFlags(SQEIOLink).SetUserData(1)
	sqe(t, r).Nop().SetUserData(2)
	if c := next(t, r); c.UserData != 1 || c.Res >= 0 {
		t.Fatalf("%+v", c)
	}
	want(t, r, 2, -int32(syscall.ECANCELED))
	// A read of the empty pipe, limited by a linked timeout.
	binary.NativeEndian.PutUint64(b[8:], 1e6)
	sqe(t, r).PollAdd(p[0], unix.POLLIN, false).SetFlags(SQEIOLink).SetUserData(3)
	sqe(t, r).LinkTimeout(Addr(b), 0).SetUserData(4)
	got := map[uint64]int32{}
	for range 2 {
		c := next(t, r)
		got[c.UserData] = c.Res
	}
	if got[3] != -int32(syscall.ECANCELED) || got[4] != -int32(syscall.ETIME) {
		t.Fatalf("results %v", got)
	}
}

func TestCancel(t *testing.T) {
	r, p := newRing(t, Config{Flags: loopFlags}), pipe(t)
	cancels := []func(*SQE){
		func(s *SQE) { s.Cancel(1, 0) },
		func(s *SQE) { s.CancelFd(p[0], 0) },
		func(s *SQE) { s.PollRemove(1) },
	}
	for _, cancel := range cancels {
		sqe(t, r).PollAdd(p[0], unix.POLLIN, false).SetUserData(1)
		if _, err := r.Submit(); err != nil {
			t.Fatal(err)
		}
		cancel(sqe(t, r).SetUserData(2))
		got := map[uint64]int32{}
		for range 2 {
			c := next(t, r)
			got[c.UserData] = c.Res
		}
		if got[1] != -int32(syscall.ECANCELED) || got[2] != 0 {
			t.Fatalf("results %v", got)
		}
	}
	sqe(t, r).Cancel(12345, 0).SetUserData(3)
	want(t, r, 3, -int32(syscall.ENOENT))
}

func TestPollMultishot(t *testing.T) {
	r, fd := newRing(t, Config{Flags: loopFlags}), eventfd(t)
	sqe(t, r).PollAdd(fd, unix.POLLIN, true).SetUserData(9)
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 8)
	binary.NativeEndian.PutUint64(one, 1)
	for range 5 {
		if _, err := unix.Write(int(fd), one); err != nil {
			t.Fatal(err)
		}
		c := next(t, r)
		if c.UserData != 9 || c.Res&unix.POLLIN == 0 || !c.More() {
			t.Fatalf("%+v", c)
		}
		if _, err := unix.Read(int(fd), make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadMultishot(t *testing.T) {
	r, p := newRing(t, Config{Flags: loopFlags}), pipe(t)
	const size, count, firstID = 64, 4, 10
	mem := alloc4k(t)
	g, err := r.NewBufRing(count, 5)
	if err != nil {
		t.Fatal(err)
	}
	add := func(bid uint16) { g.Add(Addr(mem)+uintptr(bid-firstID)*size, size, bid) }
	for bid := range uint16(count) {
		add(firstID + bid)
	}
	g.Advance()
	sqe(t, r).ReadMultishot(p[0], g.Group()).SetUserData(1)
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	// Three times round the ring of buffers.
	for i := range 3 * count {
		msg := bytes.Repeat([]byte{byte('a' + i)}, 1+i)
		if _, err := unix.Write(int(p[1]), msg); err != nil {
			t.Fatal(err)
		}
		c := next(t, r)
		bid, ok := c.BufferID()
		if c.Res != int32(len(msg)) || !ok || !c.More() {
			t.Fatalf("message %d: %+v", i, c)
		}
		if got := mem[int(bid-firstID)*size:][:c.Res]; !bytes.Equal(got, msg) {
			t.Fatalf("message %d: %q in buffer %d", i, got, bid)
		}
		add(bid)
		g.Advance()
	}
	sqe(t, r).Cancel(1, 0).SetUserData(2)
	for range 2 {
		next(t, r)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFixedBuffers(t *testing.T) {
	r, b, fd := newRing(t, Config{Flags: loopFlags}), alloc4k(t), openTemp(t, "0123456789")
	a := Addr(b)
	if err := r.RegisterBuffers([]Iovec{{Base: a, Len: 64}, {Base: a + 2048, Len: 2048}}); err != nil {
		t.Fatal(err)
	}
	sqe(t, r).ReadFixed(fd, a+2048, 10, 0, 1).SetUserData(1)
	want(t, r, 1, 10)
	sqe(t, r).WriteFixed(fd, a+2050, 3, 0, 1).SetUserData(2)
	want(t, r, 2, 3)
	sqe(t, r).ReadFixed(fd, a, 10, 0, 0).SetUserData(3)
	want(t, r, 3, 10)
	if string(b[:10]) != "2343456789" {
		t.Fatalf("read %q", b[:10])
	}
	sqe(t, r).ReadFixed(fd, a, 10, 0, 1).SetUserData(4) // outside buffer 1
	want(t, r, 4, -int32(syscall.EFAULT))
	if err := r.UnregisterBuffers(); err != nil {
		t.Fatal(err)
	}
}

func TestFixedFiles(t *testing.T) {
	r, b := newRing(t, Config{Flags: loopFlags}), alloc4k(t)
	f0, f1 := openTemp(t, "zero"), openTemp(t, "one")
	read := func(slot, want int32) {
		t.Helper()
		sqe(t, r).Read(0, Addr(b), 16, 0).SetFixedFile(slot)
		if c := next(t, r); c.Res != want {
			t.Fatalf("slot %d: result %d, want %d", slot, c.Res, want)
		}
	}
	if err := r.RegisterFilesSparse(8); err != nil {
		t.Fatal(err)
	}
	read(3, -int32(syscall.EBADF))
	if err := r.UpdateFiles(3, []int32{f0, f1}); err != nil {
		t.Fatal(err)
	}
	read(3, 4)
	read(4, 3)
	if err := r.UpdateFiles(3, []int32{-1, FileSkip}); err != nil {
		t.Fatal(err)
	}
	read(3, -int32(syscall.EBADF))
	read(4, 3)
	if err := r.UpdateFiles(7, []int32{f0, f1}); err == nil {
		t.Fatal("an update past the end of the table")
	}
	if err := r.UnregisterFiles(); err != nil {
		t.Fatal(err)
	}
	if err := r.RegisterFiles([]int32{-1, f1}); err != nil {
		t.Fatal(err)
	}
	read(1, 3)
}
