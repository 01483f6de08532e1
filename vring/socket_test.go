//go:build linux

package vring

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// greetOver says a byte over a connection from Connect to l.
func greetOver(t *testing.T, l *net.UnixListener, path string) {
	t.Helper()
	c, err := Connect(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	var b [2]byte
	if n, err := s.Read(b[:]); n != 1 || b[0] != 'x' {
		t.Fatalf("%q, %v", b[:n], err)
	}
}

func TestListen(t *testing.T) {
	noLeak(t)
	path := filepath.Join(t.TempDir(), "sock")
	l, err := Listen(path, -1)
	if err != nil {
		t.Fatal(err)
	}
	greetOver(t, l, path)
	if _, err := Listen(path, -1); err == nil || !strings.Contains(err.Error(), "listens there already") {
		t.Errorf("a second server: %v", err)
	}
	probe, err := l.AcceptUnix() // the first one saw a connection that ended at once, and goes on
	if err != nil {
		t.Fatal(err)
	}
	_ = probe.Close()
	greetOver(t, l, path)
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// the file of a server that was killed
	if l, err = Listen(path, -1); err != nil {
		t.Fatal(err)
	}
	greetOver(t, l, path)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket's file stays: %v", err)
	}
}

// TestListenMode: whatever the umask, nobody else may connect, from the first moment on.
func TestListenMode(t *testing.T) {
	noLeak(t)
	defer unix.Umask(unix.Umask(0))
	for _, c := range []struct {
		group int
		mode  fs.FileMode
	}{{-1, 0o600}, {4242, 0o660}} {
		path := filepath.Join(t.TempDir(), "sock")
		l, err := Listen(path, c.group)
		if err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		if fs.FileMode(st.Mode&0o777) != c.mode || c.group >= 0 && int(st.Gid) != c.group {
			t.Errorf("group %d: mode %#o of group %d, want %#o", c.group, st.Mode&0o777, st.Gid, c.mode)
		}
		_ = l.Close()
	}
	path := filepath.Join(t.TempDir(), "sock")
	l, err := bindSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if st, err := os.Lstat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("bound with %v, %v", st.Mode(), err)
	}
}

func TestListenRefused(t *testing.T) {
	noLeak(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                                  "no socket",
		link:                                  "no socket",
		fifo:                                  "no socket",
		filepath.Join(dir, "missing", "sock"): "no such file",
		"":                                    "1 to 107",
		"/" + strings.Repeat("x", 107):        "1 to 107",
	} {
		l, err := Listen(path, -1)
		if err == nil {
			_ = l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Listen(%q): %v, want %q", path, err, want)
		}
	}
	if b, err := os.ReadFile(file); string(b) != "precious" {
		t.Errorf("the file has %q, %v", b, err)
	}
	if _, err := Connect(file); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("Connect to a file: %v", err)
	}
}

// TestListenAt: a name with @ is a file as any other, not one in the abstract namespace, where everybody may connect.
func TestListenAt(t *testing.T) {
	noLeak(t)
	t.Chdir(t.TempDir())
	l, err := Listen("@sock", -1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := os.Lstat("@sock"); err != nil {
		t.Error(err)
	}
	greetOver(t, l, "@sock")
}

func TestInherit(t *testing.T) {
	noLeak(t)
	path := filepath.Join(t.TempDir(), "sock")
	l, err := Listen(path, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := dupFD(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	inherited, conn, err := Inherit(fd)
	if err != nil || conn != nil {
		t.Fatalf("a listening socket: %v, %v", conn, err)
	}
	greetOver(t, inherited, path)
	if err := inherited.Close(); err != nil {
		t.Error(err)
	}
	greetOver(t, l, path) // the file is the manager's

	for name, open := range map[string]func() (int, error){
		"closed":   func() (int, error) { return 1 << 20, nil },
		"negative": func() (int, error) { return -1, nil },
		"file":     func() (int, error) { return unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0) },
		"tcp":      func() (int, error) { return unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0) },
		"datagram": func() (int, error) { return unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) },
	} {
		fd, err := open()
		if err != nil {
			t.Fatal(err)
		}
		l, c, err := Inherit(fd)
		if l != nil || c != nil || !errors.Is(err, errNotSocket) && !errors.Is(err, unix.EBADF) {
			t.Errorf("%s: %v, %v, %v", name, l, c, err)
		}
	}
}
