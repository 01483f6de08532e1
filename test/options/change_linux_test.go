package options_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSealSize: what would change a file's size is refused, what does not is done.
func TestSealSize(t *testing.T) {
	for _, args := range []string{"--seal-size", "--seal-size --cache never", "--seal-size --no-open --cache always --locks local"} {
		t.Run(args, func(t *testing.T) {
			src, m := mount(t, args)
			write(t, filepath.Join(src, "f"), "0123456789")
			p := filepath.Join(m.Dir, "f")
			f, err := os.OpenFile(p, os.O_RDWR, 0)
			must(t, err)
			fd := int(f.Fd())
			at := func(off int64, data string) error {
				_, err := unix.Pwrite(fd, []byte(data), off)
				return err
			}
			want(t, "a write inside", at(3, "abc"), 0)
			want(t, "a write up to the end", at(7, "xyz"), 0)
			want(t, "a write over the end", at(8, "abc"), unix.EPERM)
			want(t, "a write behind the end", at(100, "a"), unix.EPERM)
			want(t, "ftruncate, shorter", unix.Ftruncate(fd, 5), unix.EPERM)
			want(t, "ftruncate, longer", unix.Ftruncate(fd, 50), unix.EPERM)
			want(t, "truncate", unix.Truncate(p, 0), unix.EPERM)
			want(t, "fallocate", unix.Fallocate(fd, 0, 0, 100), unix.EPERM)
			want(t, "a hole", unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE|unix.FALLOC_FL_PUNCH_HOLE, 0, 1), 0)
			want(t, "mode", f.Chmod(0o600), 0)
			_, err = os.OpenFile(p, os.O_RDWR|os.O_TRUNC, 0)
			want(t, "O_TRUNC", err, unix.EPERM)
			a, err := os.OpenFile(p, os.O_WRONLY|os.O_APPEND, 0)
			must(t, err)
			_, err = a.WriteString("x")
			want(t, "append", err, unix.EPERM)
			a.Close()
			f.Close()
			if s := read(t, filepath.Join(src, "f")); s != "\x0012abc6xyz" {
				t.Errorf("the host has %q", s)
			}
			m.Stop()
		})
	}
}

// TestReadOnly: nothing changes, and what is there can be read; a host's own changes are seen.
func TestReadOnly(t *testing.T) {
	for _, args := range []string{"--readonly", "-o ro", "--readonly --no-open --cache always --locks local"} {
		t.Run(args, func(t *testing.T) {
			src, m := mount(t, args)
			write(t, filepath.Join(src, "f"), "data")
			in := func(name string) string { return filepath.Join(m.Dir, name) }
			if s := read(t, in("f")); s != "data" {
				t.Errorf("%q", s)
			}
			open := func(flags int) error {
				f, err := os.OpenFile(in("f"), flags, 0o644)
				f.Close()
				return err
			}
			for what, err := range map[string]error{
				"open for writing": open(os.O_WRONLY), "O_TRUNC": open(os.O_RDONLY | os.O_TRUNC), "unlink": unix.Unlink(in("f")),
				"mkdir": unix.Mkdir(in("d"), 0o755), "chmod": unix.Chmod(in("f"), 0o600), "truncate": unix.Truncate(in("f"), 0),
				"setxattr": unix.Setxattr(in("f"), "user.a", nil, 0), "rename": unix.Rename(in("f"), in("g")),
				"create": os.WriteFile(in("new"), nil, 0o644), "symlink": unix.Symlink("f", in("l")), "link": unix.Link(in("f"), in("h")),
			} {
				want(t, what, err, unix.EROFS)
			}
			if s := read(t, filepath.Join(src, "f")); s != "data" {
				t.Errorf("the host has %q", s)
			}
			m.Stop()
		})
	}
}

// TestXattr: extended attributes are served, or there are none.
func TestXattr(t *testing.T) {
	for args, errno := range map[string]unix.Errno{"": 0, "--no-xattr": unix.EOPNOTSUPP} {
		src, m := mount(t, args)
		write(t, filepath.Join(src, "f"), "")
		p := filepath.Join(m.Dir, "f")
		want(t, args+" setxattr", unix.Setxattr(p, "user.a", []byte("v"), 0), errno)
		_, err := unix.Getxattr(p, "user.a", make([]byte, 9))
		want(t, args+" getxattr", err, errno)
		_, err = unix.Listxattr(p, make([]byte, 99))
		want(t, args+" listxattr", err, errno)
		want(t, args+" removexattr", unix.Removexattr(p, "user.a"), errno)
		m.Stop()
	}
}

// capability is a file capability as security.capability holds it: VFS_CAP_REVISION_2, CAP_CHOWN permitted.
var capability = []byte{1, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// TestKillpriv: set-id bits and capabilities go when a file is changed, whoever takes them away.
func TestKillpriv(t *testing.T) {
	for _, args := range []string{"", "--no-killpriv-v2", "--writeback", "--writeback --no-killpriv-v2", "--cache never"} {
		t.Run(args, func(t *testing.T) {
			src, m := mount(t, "-o dev,suid "+args)
			for what, change := range map[string]string{
				"write": "printf x >>$0", "truncate": "truncate -s 1 $0", "O_TRUNC": ": >$0", "overwrite": "printf x 1<>$0",
			} {
				p, q := filepath.Join(src, "f"), filepath.Join(m.Dir, "f")
				write(t, p, "data")
				must(t, unix.Setxattr(p, "security.capability", capability, 0))
				must(t, unix.Chmod(p, 0o6777))
				if stat(t, q).Mode&0o7777 != 0o6777 {
					t.Fatal("the mount does not show the bits")
				}
				must(t, shell(65534, change, q))
				for where, path := range map[string]string{"mount": q, "host": p} {
					if mode := stat(t, path).Mode & 0o7777; mode != 0o777 {
						t.Errorf("%s: mode %o on the %s", what, mode, where)
					}
					if _, err := unix.Getxattr(path, "security.capability", make([]byte, 99)); !errors.Is(err, syscall.ENODATA) {
						t.Errorf("%s: the capability on the %s: %v", what, where, err)
					}
				}
				must(t, os.Remove(q))
			}
			m.Stop()
		})
	}
}
