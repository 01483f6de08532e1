//go:build linux

package ring

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMessageFromThreadWithoutRing(t *testing.T) {
	r := newRing(t, Config{Flags: loopFlags})
	const count = 10
	errs := make(chan error, 1)
	go func() {
		var err error
		for i := range count {
			err = errors.Join(err, SendMsgRing(r.Fd(), uint64(100+i), int32(-i)))
		}
		errs <- err
	}()
	for i := range count {
		want(t, r, uint64(100+i), int32(-i))
	}
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	if err := SendMsgRing(-1, 0, 0); !errors.Is(err, syscall.EBADF) {
		t.Errorf("to no descriptor: %v", err)
	}
	if err := SendMsgRing(int(eventfd(t)), 0, 0); !errors.Is(err, syscall.EBADFD) {
		t.Errorf("to an eventfd: %v", err)
	}
}

func TestMessageFromRing(t *testing.T) {
	from, to := newRing(t, Config{Flags: loopFlags}), newRing(t, Config{Flags: loopFlags})
	sqe(t, from).MsgRing(int32(to.Fd()), 77, 5).SetUserData(1)
	want(t, from, 1, 0)
	want(t, to, 77, 5)
}

func TestRegisteredRingsComeAndGo(t *testing.T) {
	for i := range 40 { // a thread has 16 slots
		r, err := New(Config{Entries: 2, Flags: loopFlags})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.RegisterRingFd(); err != nil {
			t.Fatalf("ring %d: %v", i, err)
		}
		if err := r.RegisterRingFd(); err != nil {
			t.Fatalf("ring %d, again: %v", i, err)
		}
		sqe(t, r).Nop().SetUserData(1)
		want(t, r, 1, 0)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPersonality(t *testing.T) {
	r, b := newRing(t, Config{Flags: loopFlags}), alloc4k(t)
	dir, err := os.MkdirTemp("/tmp", "ring") // t.TempDir is closed to others already
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	name := filepath.Join(dir, "secret")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	setFsID(t, unix.SYS_SETFSUID, 1000)
	id, err := r.RegisterPersonality()
	setFsID(t, unix.SYS_SETFSUID, 0)
	if err != nil {
		t.Fatal(err)
	}
	how, path := b[:24], b[64:]
	binary.NativeEndian.PutUint64(how, unix.O_RDONLY|unix.O_CLOEXEC)
	copy(path, name+"\x00")
	open := func(personality uint16) int32 {
		sqe(t, r).Openat2(unix.AT_FDCWD, Addr(path), Addr(how), 24).SetPersonality(personality)
		return next(t, r).Res
	}
	fd := open(0)
	if fd < 0 {
		t.Fatalf("as root: %v", syscall.Errno(-fd))
	}
	_ = unix.Close(int(fd))
	if got := open(id); got != -int32(syscall.EACCES) {
		t.Fatalf("under personality %d: result %d, want EACCES", id, got)
	}
	if err := r.UnregisterPersonality(id); err != nil {
		t.Fatal(err)
	}
	if got := open(id); got != -int32(syscall.EINVAL) {
		t.Fatalf("under a forgotten personality: result %d, want EINVAL", got)
	}
}

// setFsID changes one id of this thread only.
func setFsID(t *testing.T, call, id uintptr) {
	t.Helper()
	if _, _, errno := unix.RawSyscall(call, id, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
}

func TestRestrictions(t *testing.T) {
	r := newRing(t, Config{Flags: loopFlags | SetupRDisabled, Restrictions: &Restrictions{
		Ops: []Op{OpNop}, Registers: []RegisterOp{RegProbe}, FlagsAllowed: SQEAsync,
	}})
	sqe(t, r).Nop().SetUserData(1)
	if _, err := r.Submit(); !errors.Is(err, syscall.EBADFD) {
		t.Fatalf("submit to a disabled ring: %v", err)
	}
	if err := r.Enable(); err != nil {
		t.Fatal(err)
	}
	want(t, r, 1, 0)
	sqe(t, r).Close(0).SetUserData(2)
	want(t, r, 2, -int32(syscall.EACCES))
	sqe(t, r).Nop().SetFlags(SQEIODrain).SetUserData(3)
	want(t, r, 3, -int32(syscall.EACCES))
	if _, err := r.Probe(); err != nil {
		t.Errorf("a register operation that is allowed: %v", err)
	}
	if _, err := r.RegisterPersonality(); !errors.Is(err, syscall.EACCES) {
		t.Errorf("a register operation that is not: %v", err)
	}
	if err := r.RegisterRingFd(); err != nil {
		t.Errorf("RegisterRingFd: %v", err)
	}
}

func TestProbe(t *testing.T) {
	ops, err := newRing(t, Config{}).Probe()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []Op{OpNop, OpRead, OpOpenat2, OpMsgRing, OpUringCmd, OpReadMultishot} {
		if !ops.Supports(op) {
			t.Errorf("operation %d is not supported", op)
		}
	}
	if ops.Supports(255) || ops.Last() < OpReadMultishot {
		t.Errorf("last operation %d", ops.Last())
	}
}

func TestWorkers(t *testing.T) {
	r := newRing(t, Config{Flags: loopFlags})
	if _, _, err := r.SetIOWQMaxWorkers(3, 4); err != nil {
		t.Fatal(err)
	}
	if b, u, err := r.SetIOWQMaxWorkers(0, 0); err != nil || b != 3 || u != 4 {
		t.Fatalf("limits %d and %d, %v", b, u, err)
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	mask := make([]uint64, len(set))
	for i, w := range set {
		mask[i] = uint64(w)
	}
	if err := r.SetIOWQAffinity(mask); err != nil {
		t.Fatal(err)
	}
}

func TestUringCmd(t *testing.T) {
	// A pipe has no commands: that the kernel says so shows that the entry arrived as a command for that file.
	r, p := newRing(t, Config{Flags: loopFlags | SetupSQE128}), pipe(t)
	s := sqe(t, r).UringCmd(p[0], 0x1234).SetUserData(1)
	if n := len(s.Cmd()); n != 80 {
		t.Fatalf("command area of %d bytes", n)
	}
	copy(s.Cmd()[72:], "last end")
	want(t, r, 1, -int32(syscall.EOPNOTSUPP))
}
