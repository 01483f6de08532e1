//go:build linux

package fusedev

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/fusedev/internal/mnt"
)

// every runs f once for each transport.
func every(t *testing.T, f func(t *testing.T, kind Transport)) {
	for _, kind := range []Transport{Uring, Classic, Blocking} {
		t.Run(kind.String(), func(t *testing.T) { f(t, kind) })
	}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func options(kind Transport) Options {
	o := Defaults()
	o.Transport, o.Logger, o.FSName, o.AllowOther = kind, quiet(), "test", true
	return o
}

// serveTest mounts fs in a new directory; at the end of the test it goes at any price.
func serveTest(t *testing.T, fs *testFS, o Options) *Server {
	t.Helper()
	s, err := Mount(testEngine(t), fs, mountPoint(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mountPoint(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fusedev")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Unmount(dir, unix.MNT_DETACH)
		os.RemoveAll(dir)
	})
	return dir
}

// tableHas says whether something is mounted on dir.
func tableHas(t *testing.T, dir string) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(b), " "+dir+" ")
}

// within fails the test if f takes longer than a minute.
func within(t *testing.T, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		t.Fatal(what, "did not return within a minute")
		return nil
	}
}

func readHello(t *testing.T, dir string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "hello"))
	if err != nil || string(b) != testText {
		t.Errorf("read %q, %v", b, err)
	}
}

func TestMountReadUnmount(t *testing.T) {
	every(t, func(t *testing.T, kind Transport) {
		for _, inline := range []bool{true, false} {
			fs := &testFS{inline: inline}
			s := serveTest(t, fs, options(kind))
			if s.Transport() != kind || !tableHas(t, s.Dir()) {
				t.Errorf("transport %v; mounted %v", s.Transport(), tableHas(t, s.Dir()))
			}
			readHello(t, s.Dir())
			names, err := os.ReadDir(s.Dir())
			if err != nil || len(names) != len(testFiles) {
				t.Errorf("listed %v, %v", names, err)
			}
			if _, err := os.Stat(filepath.Join(s.Dir(), primeName)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the prime's name is still there: %v", err)
			}
			if err := within(t, "unmount", s.Unmount); err != nil {
				t.Fatal(err)
			}
			if err := within(t, "wait", s.Wait); err != nil {
				t.Error(err)
			}
			if tableHas(t, s.Dir()) {
				t.Error("still mounted")
			}
			if err := s.Unmount(); err != nil {
				t.Error("second unmount:", err)
			}
		}
	})
}

// TestNoPoll: the kernel asks once, at mount, and never again.
func TestNoPoll(t *testing.T) {
	every(t, func(t *testing.T, kind Transport) {
		s := serveTest(t, &testFS{inline: true}, options(kind))
		asked := func() (polls, all uint64) {
			for _, c := range s.Counters() {
				all += c.Count
				if c.Opcode == abi.OpPoll {
					polls = c.Count
				}
			}
			return polls, all
		}
		polls, all := asked()
		if polls != 1 {
			t.Errorf("%d POLLs when the mount is ready, want 1", polls)
		}
		readHello(t, s.Dir()) // os.Open adds it to an epoll set
		if p, a := asked(); p != polls || a == all {
			t.Errorf("%d POLLs and %d requests after an open, %d and %d before", p, a, polls, all)
		}
	})
}

func TestBusyThenDetach(t *testing.T) {
	every(t, func(t *testing.T, kind Transport) {
		s := serveTest(t, &testFS{inline: true}, options(kind))
		f, err := os.Open(filepath.Join(s.Dir(), "hello"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := s.Unmount(); !errors.Is(err, ErrBusy) {
			t.Errorf("unmount while a file is open: %v", err)
		}
		if err := s.Detach(); err != nil {
			t.Fatal(err)
		}
		if tableHas(t, s.Dir()) {
			t.Error("still in the tree")
		}
		b := make([]byte, len(testText))
		if _, err := f.ReadAt(b, 0); err != nil || string(b) != testText {
			t.Errorf("read after umount -l: %q, %v", b, err)
		}
		if s.isDone() {
			t.Error("over while a file is open")
		}
		f.Close()
		if err := within(t, "wait", s.Wait); err != nil {
			t.Error(err)
		}
	})
}

func TestAbort(t *testing.T) {
	every(t, func(t *testing.T, kind Transport) {
		s := serveTest(t, &testFS{inline: true}, options(kind))
		f, err := os.Open(filepath.Join(s.Dir(), "hello"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := s.Abort(); err != nil {
			t.Fatal(err)
		}
		if err := within(t, "wait", s.Wait); !errors.Is(err, ErrAborted) {
			t.Errorf("wait: %v", err)
		}
		if _, err := f.ReadAt(make([]byte, 4), 0); err == nil {
			t.Error("read works after an abort")
		}
		if tableHas(t, s.Dir()) {
			t.Error("the dead mount was left in the tree")
		}
	})
}

func TestInheritedFD(t *testing.T) {
	every(t, func(t *testing.T, kind Transport) {
		dir := mountPoint(t)
		m, err := mnt.New(mnt.Params{Dir: dir, Subtype: "inherited"})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Mount(testEngine(t), &testFS{inline: true}, fmt.Sprintf("/dev/fd/%d", m.FD), options(kind))
		if err != nil {
			t.Fatal(err)
		}
		if s.Dir() != dir {
			t.Errorf("found %s", s.Dir())
		}
		readHello(t, dir)
		if err := s.Unmount(); err != nil {
			t.Fatal(err)
		}
		if err := within(t, "wait", s.Wait); err != nil {
			t.Error(err)
		}
	})
}

func TestMountNamespace(t *testing.T) {
	dir := mountPoint(t)
	other := exec.Command("cat") // until the end of its input
	other.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer in.Close()
	o := options(Auto)
	o.MountNS = fmt.Sprint(other.Process.Pid)
	s, err := Mount(testEngine(t), &testFS{inline: true}, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if tableHas(t, dir) {
		t.Error("seen here")
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/root%s/hello", other.Process.Pid, dir))
	if err != nil || string(b) != testText {
		t.Errorf("read over there: %q, %v", b, err)
	}
	if err := s.Unmount(); err != nil {
		t.Fatal(err)
	}
	if err := within(t, "wait", s.Wait); err != nil {
		t.Error(err)
	}
}

func TestFileMountPoint(t *testing.T) {
	file := filepath.Join(mountPoint(t), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Mount(testEngine(t), &testFS{inline: true, regular: true}, file, options(Auto))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if b, err := os.ReadFile(file); err != nil || string(b) != testText {
		t.Errorf("%q, %v", b, err)
	}
}

func TestMountsLeakNothing(t *testing.T) {
	every(t, func(t *testing.T, kind Transport) {
		e, dir := testEngine(t), mountPoint(t)
		count := func() int {
			names, err := os.ReadDir("/proc/self/fd")
			if err != nil {
				t.Fatal(err)
			}
			return len(names)
		}
		cycle := func() {
			s, err := Mount(e, &testFS{inline: true}, dir, options(kind))
			if err != nil {
				t.Fatal(err)
			}
			readHello(t, dir)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			cycle()
		}
		before := count()
		for range 50 {
			cycle()
		}
		for i := 0; count() > before; i++ { // what ends in the background may take its time
			if i > 3000 {
				t.Fatalf("%d fds before, %d after 50 mounts", before, count())
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}
