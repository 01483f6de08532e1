package cost

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

const (
	filesPerDir = 1000
	firstDirs   = 10  // walked before anything is measured: buffers and threads come once
	inodeBytes  = 200 // of a server's memory at most, for a file that its client knows
	openMax     = 1000
)

// TestInodes walks many files: how much the server grows, and how many descriptors it has open.
func TestInodes(t *testing.T) {
	dirs, sources := 100, map[string]func(testing.TB) string{"tmpfs": testmount.Tmpfs}
	if all() {
		dirs, sources["disk"] = 1000, testing.TB.TempDir
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			src := source(t)
			if err := plantTree(src, dirs+firstDirs); err != nil {
				t.Fatal(err)
			}
			raiseWatches(t, 2*dirs*filesPerDir)
			s := start(t, "auto", src)
			s.walk(0, firstDirs)
			nodes, bytes, began := s.nodes(), s.resident(), time.Now()
			s.walk(firstDirs, firstDirs+dirs)
			took := time.Since(began)
			if n := s.nodes(); n < (dirs+firstDirs)*filesPerDir {
				t.Fatalf("the kernel knows only %d nodes", n)
			}
			nodes, bytes = s.nodes()-nodes, s.resident()-bytes
			each, fds := bytes/nodes, s.descriptors()
			t.Logf("%d nodes in %.1f s, %d bytes each, %d descriptors", nodes, took.Seconds(), each, fds)
			if each > inodeBytes {
				t.Errorf("%d bytes for each node, want %d at most", each, inodeBytes)
			}
			if fds >= openMax {
				t.Errorf("%d descriptors, want less than %d", fds, openMax)
			}
		})
	}
}

func treeDir(dir string, i int) string { return filepath.Join(dir, strconv.Itoa(i)) }

func plantTree(dir string, dirs int) error {
	for d := range dirs {
		sub := treeDir(dir, d)
		if err := os.Mkdir(sub, 0o755); err != nil {
			return err
		}
		for i := range filesPerDir {
			f, err := os.Create(filepath.Join(sub, strconv.Itoa(i)))
			if err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// walk has a client look at all files of some folders, and keep them in its kernel's memory until the end of the test.
func (s *server) walk(from, to int) {
	s.t.Helper()
	c := client("WALK", s.dir, from, to, 0)
	in, err := c.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		in.Close()
		if err := c.Wait(); err != nil {
			s.t.Errorf("a client ended with %v", err)
		}
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		s.t.Fatal("the walk: ", err)
	}
}

// walk looks at the files of folders, as ls -l does. Whoever drops the machine's caches would have the kernel forget them: a
// watch keeps each in memory, until stdin ends.
func (w *worker) walk() error {
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	for d := w.index; d < w.n; d++ {
		dir, err := os.Open(treeDir(w.dir, d))
		if err != nil {
			return err
		}
		for {
			list, err := dir.Readdirnames(100)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			for _, name := range list {
				path := filepath.Join(dir.Name(), name)
				if _, err := os.Lstat(path); err != nil {
					return err
				}
				if _, err := unix.InotifyAddWatch(watch, path, unix.IN_DELETE_SELF); err != nil {
					return fmt.Errorf("watch %s: %w", path, err)
				}
			}
		}
		if err := dir.Close(); err != nil {
			return err
		}
	}
	if _, err := os.Stdout.Write([]byte{'\n'}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// raiseWatches lets a user have n watches, until the end of the test.
func raiseWatches(t *testing.T, n int) {
	const file = "/proc/sys/fs/inotify/max_user_watches"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if have, err := strconv.Atoi(strings.TrimSpace(string(b))); err != nil || have >= n {
		return
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(n)), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(file, b, 0); err != nil {
			t.Error(err)
		}
	})
}

// resident is the server's memory, in bytes.
func (s *server) resident() int {
	s.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\nVmRSS:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		s.t.Fatal(err)
	}
	return kib << 10
}

func (s *server) descriptors() int {
	s.t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(list)
}
