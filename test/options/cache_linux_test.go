package options_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

// everything is what a kernel keeps at most, a missing name aside: attributes and names of files and directories, a listing, a file's
// data for who opens it anew and for who has it open. A LOOKUP brings attributes too, and so drops what they show to be old.
const everything = "attr name dirattr dirname listing data held"

// TestKeeps: what the kernel goes on believing when the host has changed everything, for each cache policy and each time-out.
func TestKeeps(t *testing.T) {
	for args, kept := range map[string]string{
		"--cache never":                                               "",
		"--cache metadata":                                            "attr name dirattr dirname listing",
		"--cache always":                                              everything,
		"--cache always --negative-timeout 1h":                        everything + " missing",
		"--cache always --attr-timeout 0":                             "name dirname",
		"--cache always --attr-timeout 0 --dir-attr-timeout 1h":       "name dirattr dirname listing",
		"--cache always --entry-timeout 0":                            "attr dirattr held",
		"--cache always --dir-entry-timeout 0":                        "attr name dirattr data held",
		"--cache never --attr-timeout 1h":                             "attr dirattr",
		"--cache never --dir-attr-timeout 1h":                         "dirattr",
		"--cache never --attr-timeout 1h --dir-attr-timeout 0":        "attr",
		"--cache never --entry-timeout 1h":                            "name dirname",
		"--cache never --dir-entry-timeout 1h":                        "dirname",
		"--cache never --entry-timeout 1h --dir-entry-timeout 0":      "name",
		"--cache never --negative-timeout 1h":                         "missing",
		"--cache auto --attr-timeout 1h --entry-timeout 1h":           "attr name dirattr dirname held",
		"--cache metadata --negative-timeout 1h --dir-attr-timeout 0": "attr name dirname missing",
	} {
		t.Run(args, func(t *testing.T) {
			src, m := mount(t, args)
			if got := believes(t, src, m.Dir); !sameWords(got, kept) {
				t.Errorf("keeps %q, want %q", got, kept)
			}
			m.Stop()
		})
	}
}

func sameWords(a, b string) bool {
	set := func(s string) map[string]bool {
		m := map[string]bool{}
		for _, w := range strings.Fields(s) {
			m[w] = true
		}
		return m
	}
	x, y := set(a), set(b)
	for w := range y {
		if !x[w] {
			return false
		}
	}
	return len(x) == len(y)
}

// believes looks at everything through the mount, changes it on the host, and names what is still seen as it was.
func believes(t *testing.T, src, mnt string) string {
	t.Helper()
	for name, data := range map[string]string{"attr": "", "name": "", "data": "old\n", "list/old": ""} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(src, name)), 0o755))
		write(t, filepath.Join(src, name), data)
	}
	for _, name := range []string{"dirattr", "dirname"} {
		must(t, os.Mkdir(filepath.Join(src, name), 0o755))
	}
	time.Sleep(50 * time.Millisecond) // a file that has just changed is not kept by --cache auto
	must(t, os.Chdir("/"))
	fds := map[string]int{}
	for name, flags := range map[string]int{"attr": unix.O_PATH, "dirattr": unix.O_PATH, "data": unix.O_RDONLY} {
		fd, err := unix.Open(filepath.Join(mnt, name), flags, 0)
		must(t, err)
		defer unix.Close(fd)
		fds[name] = fd
	}
	held := func() string {
		var b [10]byte
		n, err := unix.Pread(fds["data"], b[:], 0)
		must(t, err)
		return string(b[:n])
	}
	mode := func(fd int) uint32 {
		var st unix.Stat_t
		must(t, unix.Fstat(fd, &st))
		return st.Mode & 0o777
	}
	list := func() int {
		names, err := os.ReadDir(filepath.Join(mnt, "list"))
		must(t, err)
		return len(names)
	}
	there := func(name string) bool {
		var st unix.Stat_t
		return unix.Lstat(filepath.Join(mnt, name), &st) == nil
	}
	for range 2 { // the first listing fills the cache, the second one shows that it is there
		if held() != "old\n" || read(t, filepath.Join(mnt, "data")) != "old\n" || mode(fds["attr"]) != 0o644 || mode(fds["dirattr"]) != 0o755 ||
			list() != 1 || !there("name") || !there("dirname") || there("missing") {
			t.Fatal("the mount does not show what there is")
		}
	}

	write(t, filepath.Join(src, "data"), "new\n")
	must(t, os.Chmod(filepath.Join(src, "attr"), 0o600))
	must(t, os.Chmod(filepath.Join(src, "dirattr"), 0o700))
	must(t, os.Rename(filepath.Join(src, "name"), filepath.Join(src, "name2")))
	must(t, os.Rename(filepath.Join(src, "dirname"), filepath.Join(src, "dirname2")))
	write(t, filepath.Join(src, "list/new"), "")
	write(t, filepath.Join(src, "missing"), "")

	var kept []string
	for _, c := range []struct {
		what string
		old  bool
	}{
		{"held", held() == "old\n"}, // before somebody opens the file anew, which drops what is not to be kept
		{"data", read(t, filepath.Join(mnt, "data")) == "old\n"},
		{"attr", mode(fds["attr"]) == 0o644},
		{"dirattr", mode(fds["dirattr"]) == 0o755},
		{"name", there("name")},
		{"dirname", there("dirname")},
		{"missing", !there("missing")},
		{"listing", list() == 1},
	} {
		if c.old {
			kept = append(kept, c.what)
		}
	}
	return strings.Join(kept, " ")
}

// TestAutoLearns: with --cache auto what the host changes is seen in time, in all its parts.
func TestAutoLearns(t *testing.T) {
	src, m := mount(t, "--cache auto")
	p, q := filepath.Join(src, "f"), filepath.Join(m.Dir, "f")
	write(t, p, "old\n")
	if s := read(t, q); s != "old\n" {
		t.Fatalf("%q", s)
	}
	write(t, p, "new\n")
	if s := read(t, q); s != "new\n" {
		t.Errorf("a file that was changed shows %q to who opens it", s)
	}
	must(t, os.Chmod(p, 0o600))
	must(t, os.Rename(p, filepath.Join(src, "g")))
	eventually(t, "the old name goes", func() bool { return unix.Access(q, unix.F_OK) == unix.ENOENT })
	eventually(t, "the new mode comes", func() bool { return stat(t, filepath.Join(m.Dir, "g")).Mode&0o777 == 0o600 })
	m.Stop()
}

// TestReads: how often the server is asked for a file that five programs read, one after another.
func TestReads(t *testing.T) {
	for policy, once := range map[string]bool{"never": false, "metadata": false, "auto": true, "always": true} {
		t.Run(policy, func(t *testing.T) {
			src := testmount.Tmpfs(t)
			write(t, filepath.Join(src, "f"), "data")
			time.Sleep(50 * time.Millisecond)
			m := serve(t, src, "--cache", policy)
			for range 5 {
				if s := read(t, filepath.Join(m.Dir, "f")); s != "data" {
					t.Errorf("%q", s)
				}
			}
			if n := requests(t, m)["READ"]; (n == 1) != once {
				t.Errorf("%d READs", n)
			}
		})
	}
}

// TestWriteback: the host sees what was written when the file is synced or closed, not before.
func TestWriteback(t *testing.T) {
	for args, seen := range map[string]string{"": "one", "--writeback": "", "--writeback --cache always": ""} {
		t.Run(args, func(t *testing.T) {
			src, m := mount(t, args)
			f, err := os.Create(filepath.Join(m.Dir, "f"))
			must(t, err)
			defer f.Close()
			_, err = f.WriteString("one")
			must(t, err)
			if s := read(t, filepath.Join(src, "f")); s != seen {
				t.Errorf("before fsync the host reads %q, want %q", s, seen)
			}
			if s := read(t, filepath.Join(m.Dir, "f")); s != "one" {
				t.Errorf("the mount reads %q", s)
			}
			must(t, f.Sync())
			if s := read(t, filepath.Join(src, "f")); s != "one" {
				t.Errorf("after fsync the host reads %q", s)
			}
			_, err = f.WriteString(" two")
			must(t, err)
			must(t, f.Close())
			if s := read(t, filepath.Join(src, "f")); s != "one two" {
				t.Errorf("after close the host reads %q", s)
			}
			m.Stop()
		})
	}
}
