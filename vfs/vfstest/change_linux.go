package vfstest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var changeCases = []testCase{
	{"a listing while names come", nil, testReaddirCreate},
	{"one name, made and removed by many", nil, testCreateUnlink},
	{"a name that is replaced is always there", nil, testReplace},
	{"a removed directory", nil, testRemovedDir},
	{"links of directories", nil, testDirLinks},
	{"rename of one file's two names", func(c *Config) bool { return c.NoLink }, testRenameSame},
	{"exchange of file and directory", func(c *Config) bool { return c.NoExchange }, testExchangeKinds},
	{"changes through a descriptor", nil, testByFd},
}

func testReaddirCreate(t *testing.T, dir string) {
	const old, more = 300, 300
	for i := range old {
		write(t, filepath.Join(dir, fmt.Sprint("old", i)), "")
	}
	f, err := os.Open(dir)
	must(t, err)
	defer f.Close()
	seen := map[string]int{}
	for i := 0; ; i++ {
		names, err := f.Readdirnames(5)
		if len(names) == 0 {
			break
		}
		must(t, err)
		for _, n := range names {
			seen[n]++
		}
		if i < more {
			write(t, filepath.Join(dir, fmt.Sprint("new", i)), "")
		}
	}
	for i := range old {
		if n := seen[fmt.Sprint("old", i)]; n != 1 {
			t.Errorf("old%d was listed %d times", i, n)
		}
	}
}

func testCreateUnlink(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				f, err := os.OpenFile(p, os.O_CREATE|os.O_RDWR, 0o600)
				if err != nil {
					if !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ESTALE) { // it went in between
						t.Error("create:", err)
					}
					continue
				}
				f.Close()
				if err := os.Remove(p); err != nil && !errors.Is(err, syscall.ENOENT) {
					t.Error("remove:", err)
				}
			}
		})
	}
	wg.Wait()
	_ = os.Remove(p)
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("%d names are left, %v", len(list), err)
	}
	write(t, p, "again")
	read(t, p, "again")
}

func testReplace(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "0")
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if b, err := os.ReadFile(p); err != nil || len(b) != 1 {
				t.Errorf("%q, %v", b, err)
				return
			}
		}
	})
	for i := range 200 {
		tmp := filepath.Join(dir, "tmp")
		must(t, os.WriteFile(tmp, fmt.Append(nil, i%10), 0o644))
		must(t, os.Rename(tmp, p))
	}
	close(done)
	wg.Wait()
}

func testRemovedDir(t *testing.T, dir string) {
	d := filepath.Join(dir, "d")
	must(t, os.Mkdir(d, 0o755))
	f, err := os.Open(d)
	must(t, err)
	defer f.Close()
	must(t, os.Remove(d))
	want(t, "mkdir in it", unix.Mkdirat(int(f.Fd()), "x", 0o755), syscall.ENOENT)
	fd, err := unix.Openat(int(f.Fd()), "f", unix.O_CREAT|unix.O_RDWR, 0o644)
	if want(t, "create in it", err, syscall.ENOENT); err == nil {
		unix.Close(fd)
	}
	if names, _ := f.Readdirnames(-1); len(names) != 0 {
		t.Errorf("it lists %q", names)
	}
	must(t, os.Mkdir(d, 0o755)) // another one of the same name
}

func testDirLinks(t *testing.T, dir string) {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	must(t, os.MkdirAll(filepath.Join(a, "sub"), 0o755))
	must(t, os.Mkdir(b, 0o755))
	if stat(t, b).Nlink < 2 {
		return // a file system that does not count
	}
	must(t, os.Rename(filepath.Join(a, "sub"), filepath.Join(b, "sub")))
	if x, y := stat(t, a).Nlink, stat(t, b).Nlink; x != 2 || y != 3 {
		t.Errorf("after the move: %d and %d links", x, y)
	}
	up, err := os.Stat(filepath.Join(b, "sub", ".."))
	must(t, err)
	if up.Sys().(*syscall.Stat_t).Ino != stat(t, b).Ino {
		t.Error("\"..\" is not the new parent")
	}
}

func testRenameSame(t *testing.T, dir string) {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "same")
	must(t, os.Link(a, b))
	must(t, syscall.Rename(a, b))
	read(t, a, "same")
	read(t, b, "same")
	if n := stat(t, a).Nlink; n != 2 {
		t.Errorf("%d links", n)
	}
}

func testExchangeKinds(t *testing.T, dir string) {
	f, d := filepath.Join(dir, "f"), filepath.Join(dir, "d", "e")
	write(t, f, "file")
	must(t, os.MkdirAll(d, 0o755))
	write(t, filepath.Join(d, "in"), "in")
	must(t, unix.Renameat2(unix.AT_FDCWD, f, unix.AT_FDCWD, d, unix.RENAME_EXCHANGE))
	read(t, d, "file")
	read(t, filepath.Join(f, "in"), "in")
	want(t, "exchange with what is not there", unix.Renameat2(unix.AT_FDCWD, f, unix.AT_FDCWD, filepath.Join(dir, "no"), unix.RENAME_EXCHANGE), syscall.ENOENT)
	want(t, "exchange with what lies in it", unix.Renameat2(unix.AT_FDCWD, filepath.Join(dir, "d"), unix.AT_FDCWD, d, unix.RENAME_EXCHANGE), syscall.EINVAL)
}

func testByFd(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	must(t, os.Rename(f.Name(), filepath.Join(dir, "g")))
	must(t, f.Chmod(0o640))
	must(t, unix.Futimes(int(f.Fd()), []unix.Timeval{{Sec: 7}, {Sec: 8}}))
	_, err = f.WriteString("x")
	must(t, err)
	if st := stat(t, filepath.Join(dir, "g")); st.Mode&0o777 != 0o640 || st.Atim.Sec != 7 || st.Size != 1 {
		t.Errorf("mode %o, atime %d, size %d", st.Mode, st.Atim.Sec, st.Size)
	}
}
