package options_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// primed is how many files the daemon itself opens at mount, to have POLL switched off.
const primed = 1

// TestNoOpen: with no-open and no-opendir the kernel learns by the first request of its kind to leave the others out.
func TestNoOpen(t *testing.T) {
	const files = 10
	for args, expect := range map[string]map[string]int{
		"--cache always --locks local": {
			"OPEN": files + primed, "RELEASE": files + files + primed, "OPENDIR": 3, "RELEASEDIR": 3, "CREATE": files,
		},
		"--cache always --locks local --no-open": {"OPEN": primed, "OPENDIR": 3, "RELEASEDIR": 3, "CREATE": files},
		"--cache always --locks local --no-opendir": {
			"OPEN": files + primed, "RELEASE": files + files + primed, "OPENDIR": 1, "CREATE": files,
		},
		"--cache always --locks local --no-open --no-opendir": {"OPEN": primed, "OPENDIR": 1, "CREATE": files},
	} {
		t.Run(args, func(t *testing.T) {
			src, m := mount(t, args)
			for i := range files {
				write(t, filepath.Join(m.Dir, fmt.Sprint(i)), fmt.Sprint("data ", i))
			}
			for i := range files {
				if s := read(t, filepath.Join(m.Dir, fmt.Sprint(i))); s != fmt.Sprint("data ", i) {
					t.Errorf("%q through the mount", s)
				}
				if s := read(t, filepath.Join(src, fmt.Sprint(i))); s != fmt.Sprint("data ", i) {
					t.Errorf("%q on the host", s)
				}
			}
			for range 3 {
				if list, err := os.ReadDir(m.Dir); err != nil || len(list) != files {
					t.Errorf("%d names, %v", len(list), err)
				}
			}
			got := requests(t, m)
			for _, op := range []string{"OPEN", "RELEASE", "OPENDIR", "RELEASEDIR", "CREATE"} {
				if got[op] != expect[op] {
					t.Errorf("%d %s, want %d", got[op], op, expect[op])
				}
			}
		})
	}
}

// TestFlush: close(2) sends FLUSH where it has something to do: locks of the host's to drop.
func TestFlush(t *testing.T) {
	const files = 5
	for args, n := range map[string]int{"--locks host": files + primed, "--locks local": primed} {
		_, m := mount(t, args)
		for i := range files {
			write(t, filepath.Join(m.Dir, fmt.Sprint(i)), "x")
		}
		if got := requests(t, m)["FLUSH"]; got != n {
			t.Errorf("%s: %d FLUSHes, want %d", args, got, n)
		}
	}
}

// TestLocks: a lock that is taken through the mount keeps the host's processes out, or does not.
func TestLocks(t *testing.T) {
	for args, errno := range map[string]unix.Errno{"--locks host": unix.EAGAIN, "--locks local": 0} {
		src, m := mount(t, args)
		write(t, filepath.Join(src, "f"), "x")
		var f [3]*os.File
		for i, dir := range []string{m.Dir, src, m.Dir} {
			var err error
			f[i], err = os.OpenFile(filepath.Join(dir, "f"), os.O_RDWR, 0)
			must(t, err)
			defer f[i].Close()
		}
		lock := func(i int) error {
			return unix.FcntlFlock(f[i].Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		}
		must(t, lock(0))
		want(t, args+": the same lock on the host", lock(1), errno)
		want(t, args+": the same lock through the mount", lock(2), unix.EAGAIN)
		for i := range f {
			f[i].Close()
		}
		m.Stop()
	}
}

// TestDirectIO: the daemon's own descriptor of a file that is open with O_DIRECT, and what may be done with it.
func TestDirectIO(t *testing.T) {
	for args, direct := range map[string]bool{"": true, "--no-allow-direct-io": false, "--cache never": true} {
		t.Run(args, func(t *testing.T) {
			src, m := mount(t, args)
			write(t, filepath.Join(src, "f"), strings.Repeat("x", 8192))
			fd, err := unix.Open(filepath.Join(m.Dir, "f"), unix.O_RDWR|unix.O_DIRECT, 0)
			must(t, err)
			flags := daemonFlags(t, m.PID(), filepath.Join(src, "f"))
			if got := flags&unix.O_DIRECT != 0; got != direct {
				t.Errorf("the daemon's flags are %#o", flags)
			}
			buf, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
			must(t, err)
			defer unix.Munmap(buf)
			copy(buf, "direct")
			if n, err := unix.Pwrite(fd, buf, 4096); err != nil || n != 4096 {
				t.Errorf("wrote %d, %v", n, err)
			}
			if s := read(t, filepath.Join(src, "f")); !strings.HasPrefix(s[4096:], "direct") {
				t.Errorf("the host reads %.10q", s[4096:])
			}
			must(t, unix.Close(fd))
			m.Stop()
		})
	}
}

// daemonFlags are the open flags of the daemon's descriptor of path, O_PATH ones aside.
func daemonFlags(t *testing.T, pid int, path string) int {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	list, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range list {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err != nil || to != path {
			continue
		}
		var pos, flags int
		if _, err := fmt.Sscanf(read(t, fmt.Sprintf("/proc/%d/fdinfo/%s", pid, e.Name())), "pos: %d\nflags: %o", &pos, &flags); err != nil {
			t.Fatal(err)
		}
		if flags&unix.O_PATH == 0 {
			return flags
		}
	}
	t.Fatalf("the daemon has not opened %s", path)
	return 0
}

// TestReaddirplus: which kind of listing the kernel asks for.
func TestReaddirplus(t *testing.T) {
	for policy, expect := range map[string]string{"no": "READDIR", "auto": "both", "always": "READDIRPLUS"} {
		src, m := mount(t, "--readdirplus "+policy)
		for i := range 1000 {
			write(t, filepath.Join(src, fmt.Sprint(i)), "")
		}
		list, err := os.ReadDir(m.Dir)
		if err != nil || len(list) != 1000 {
			t.Errorf("%d names, %v", len(list), err)
		}
		n := requests(t, m)
		got := "none"
		switch plain, plus := n["READDIR"] > 0, n["READDIRPLUS"] > 0; {
		case plain && plus:
			got = "both"
		case plain:
			got = "READDIR"
		case plus:
			got = "READDIRPLUS"
		}
		if got != expect {
			t.Errorf("%s: %s, want %s", policy, got, expect)
		}
	}
}

// TestNoReaddir: directories look empty, and what is in them is there all the same.
func TestNoReaddir(t *testing.T) {
	src, m := mount(t, "--no-readdir")
	write(t, filepath.Join(src, "f"), "data")
	if list, err := os.ReadDir(m.Dir); err != nil || len(list) != 0 {
		t.Errorf("%d names, %v", len(list), err)
	}
	if s := read(t, filepath.Join(m.Dir, "f")); s != "data" {
		t.Errorf("%q", s)
	}
	m.Stop()
}
