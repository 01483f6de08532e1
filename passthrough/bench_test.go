//go:build linux

package passthrough

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// The calls by themselves, without a connection's part of a request.

func BenchmarkLookup(b *testing.B) {
	dir := b.TempDir()
	newFile(b, dir, "f", "")
	c := newClient(b, dir, Defaults(), vfs.Options{})
	op, name := c.c.NewOp(nil), vfs.MakeName("f")
	var e, keep vfs.Entry
	run := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if errno := c.fs.Lookup(op, c.fs.root, name, &e); errno != vfs.OK {
				b.Fatal(errno)
			}
			c.fs.Forget(e.Key, 1)
		}
	}
	b.Run("new", run)
	if errno := c.fs.Lookup(op, c.fs.root, name, &keep); errno != vfs.OK {
		b.Fatal(errno)
	}
	b.Run("known", run)
	c.fs.Forget(keep.Key, 1)
}

func BenchmarkGetattr(b *testing.B) {
	dir := b.TempDir()
	newFile(b, dir, "f", "")
	c := newClient(b, dir, Defaults(), vfs.Options{})
	op := c.c.NewOp(nil)
	var e vfs.Entry
	var st vfs.Stat
	if errno := c.fs.Lookup(op, c.fs.root, vfs.MakeName("f"), &e); errno != vfs.OK {
		b.Fatal(errno)
	}
	b.ReportAllocs()
	for b.Loop() {
		if errno := c.fs.Getattr(op, e.Key, nil, &st); errno != vfs.OK {
			b.Fatal(errno)
		}
	}
	c.fs.Forget(e.Key, 1)
}

func BenchmarkCreateUnlink(b *testing.B) {
	c := newClient(b, tmpfs(b), Defaults(), vfs.Options{}) // on a disk it is the journal that is measured
	op, name := c.c.NewOp(nil), vfs.MakeName("f")
	in := abi.CreateIn{Flags: unix.O_RDWR | unix.O_EXCL, Mode: unix.S_IFREG | 0o644}
	var e vfs.Entry
	var o vfs.Opened
	b.ReportAllocs()
	for b.Loop() {
		if errno := c.fs.Create(op, c.fs.root, name, &in, &e, &o); errno != vfs.OK {
			b.Fatal(errno)
		}
		c.fs.Release(vfs.Open{Node: e.Key, H: o.H}, 0, 0)
		if errno := c.fs.Unlink(op, c.fs.root, name); errno != vfs.OK {
			b.Fatal(errno)
		}
		c.fs.Forget(e.Key, 1)
	}
}
