//go:build linux

package passthrough

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// CREATE on what is there already: a file is opened, nothing else is even touched (CVE-2020-35517 is OPEN of a device on the host).
func TestCreateOnExisting(t *testing.T) {
	dir := tmpfs(t)
	p := newFile(t, dir, "f", "contents")
	special := special(t, dir)
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	special["d"] = unix.S_IFDIR
	c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
	before := openFDs(t)
	for name := range special {
		for _, flags := range []uint32{unix.O_RDWR, unix.O_WRONLY, unix.O_RDONLY | unix.O_TRUNC} {
			if e, _, _ := c.create(abi.RootID, name, flags, 0o644); e != vfs.ESTALE {
				t.Errorf("%s, flags %#x: %v", name, flags, e)
			}
		}
		if e, _, _ := c.create(abi.RootID, name, unix.O_RDWR|unix.O_EXCL, 0o644); e != vfs.EEXIST {
			t.Errorf("%s, exclusive: %v", name, e)
		}
	}
	if n := openFDs(t); n != before {
		t.Errorf("%d descriptors became %d", before, n)
	}
	e, out, fh := c.create(abi.RootID, "f", unix.O_RDWR, 0o600)
	c.is(e, vfs.OK)
	if out.Attr.Mode != unix.S_IFREG|0o644 {
		t.Errorf("mode %o", out.Attr.Mode)
	}
	if _, b := c.read(out.NodeID, fh, 0, 100, 0); string(b) != "contents" {
		t.Errorf("read %q", b)
	}
	c.release(out.NodeID, fh)
	e, out, fh = c.create(abi.RootID, "f", unix.O_RDWR|unix.O_TRUNC, 0o600)
	c.is(e, vfs.OK)
	c.release(out.NodeID, fh)
	content(t, p, "")
}

// The caller's rights count for a file that its kernel did not know; it is asked to look again where they do not suffice.
func TestCreateOnForeign(t *testing.T) {
	runtimeLock(t)
	dir := tmpfs(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	p := newFile(t, dir, "secret", "secret")
	if err := os.Chmod(p, 0o600); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, dir, Defaults(), vfs.Options{})
	c.uid, c.gid = 1234, 1234
	if e, _, _ := c.create(abi.RootID, "secret", unix.O_RDWR|unix.O_TRUNC, 0o600); e != vfs.ESTALE {
		t.Error(e)
	}
	content(t, p, "secret")
	ownIDs(t)
}

// One name, made and removed by others meanwhile: each CREATE makes or opens a file.
func TestCreateRace(t *testing.T) {
	dir := tmpfs(t)
	c := newClient(t, dir, Defaults(), vfs.Options{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		p := filepath.Join(dir, "f")
		for {
			select {
			case <-stop:
				return
			default:
				_ = os.WriteFile(p, nil, 0o600)
				_ = os.Remove(p)
			}
		}
	})
	opened := 0
	for range 2000 {
		e, out, fh := c.create(abi.RootID, "f", unix.O_RDWR, 0o600)
		switch e {
		case vfs.OK:
			opened++
			c.release(out.NodeID, fh)
			c.forget(out.NodeID, 1)
		case vfs.ESTALE: // it came and went too often
		default:
			t.Fatal(e)
		}
	}
	close(stop)
	wg.Wait()
	if opened < 1000 {
		t.Errorf("only %d of 2000", opened)
	}
}

func TestTmpfileLink(t *testing.T) {
	onBoth(t, func(t *testing.T, dir string) {
		c := newClient(t, dir, Defaults(), vfs.Options{Poison: true})
		for _, excl := range []uint32{0, unix.O_EXCL} {
			e, body := c.do(abi.OpTmpfile, abi.RootID, abi.Bytes(&abi.CreateIn{Flags: unix.O_RDWR | excl, Mode: unix.S_IFREG | 0o640}), cstr(""))
			c.is(e, vfs.OK)
			var out abi.EntryOut
			var o abi.OpenOut
			copy(abi.Bytes(&o), body[copy(abi.Bytes(&out), body):])
			if e, n := c.write(out.NodeID, o.Fh, 0, "hello", 0, 0); e != vfs.OK || n != 5 {
				t.Fatal(e, n)
			}
			want := vfs.OK
			if excl != 0 {
				want = vfs.ENOENT // may never have a name
			}
			e, linked := c.entry(abi.OpLink, abi.RootID, abi.Bytes(&abi.LinkIn{OldNodeID: out.NodeID}), cstr("named"))
			c.is(e, want)
			if e == vfs.OK {
				if linked.NodeID != out.NodeID {
					t.Error("the named file is another node")
				}
				content(t, filepath.Join(dir, "named"), "hello")
				if err := os.Remove(filepath.Join(dir, "named")); err != nil {
					t.Fatal(err)
				}
			}
			c.release(out.NodeID, o.Fh)
		}
	})
}

// secctx is a security context extension.
func secctx(name, value string) []byte {
	b := append(abi.Bytes(&abi.ExtHeader{Type: 1}), abi.Bytes(&[2]uint32{uint32(len(value)), 0})...)
	b = append(b, cstr(name)...)
	b = append(b, value...)
	b = append(b, make([]byte, (8-len(b)%8)%8)...)
	b[0] = byte(len(b))
	return b
}

// A new file has the context that came with the request, or there is no new file.
func TestSecurityContext(t *testing.T) {
	dir := tmpfs(t)
	c := newClient(t, dir, Defaults(), vfs.Options{SecurityCtx: true})
	make := map[string]func(name string) vfs.Errno{
		"mkdir": func(name string) vfs.Errno {
			e, _ := c.entry(abi.OpMkdir, abi.RootID, abi.Bytes(&abi.MkdirIn{Mode: 0o755}), cstr(name))
			return e
		},
		"mknod": func(name string) vfs.Errno {
			e, _ := c.entry(abi.OpMknod, abi.RootID, abi.Bytes(&abi.MknodIn{Mode: unix.S_IFREG | 0o644}), cstr(name))
			return e
		},
		"create": func(name string) vfs.Errno {
			e, _, _ := c.create(abi.RootID, name, unix.O_RDWR, 0o644)
			return e
		},
		"symlink": func(name string) vfs.Errno {
			e, _ := c.entry(abi.OpSymlink, abi.RootID, cstr(name), cstr("target"))
			return e
		},
	}
	for name, f := range make {
		c.ext = secctx("security.fastfsd", "label")
		c.is(f(name), vfs.OK)
		var b [10]byte
		if n, err := unix.Lgetxattr(filepath.Join(dir, name), "security.fastfsd", b[:]); err != nil || string(b[:n]) != "label" {
			t.Errorf("%s: %q, %v", name, b[:max(n, 0)], err)
		}
		c.ext = secctx("nonsense.fastfsd", "label")
		if e := f(name + "2"); e != vfs.EOPNOTSUPP {
			t.Errorf("%s with a bad context: %v", name, e)
		}
		if _, err := os.Lstat(filepath.Join(dir, name+"2")); !os.IsNotExist(err) {
			t.Errorf("%s stays without its context: %v", name, err)
		}
	}
	c.ext = nil
}
