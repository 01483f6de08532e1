package iofs

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

func newPeer(t *testing.T, fsys fs.FS) *vfstest.Peer {
	t.Helper()
	c, err := vfs.NewConn(vfs.Resolve(New(fsys)), vfs.Options{
		Poison:  true,
		OnPanic: func(op abi.Opcode, v any, stack []byte) { t.Errorf("%v: panic: %v\n%s", op, v, stack) },
	})
	if err != nil {
		t.Fatal(err)
	}
	p := vfstest.NewPeer(t, c)
	t.Cleanup(func() { c.Shutdown(); <-c.Done() })
	return p
}

var content = bytes.Repeat([]byte("0123456789"), 10000)

// systems are the same two files in three kinds of fs.FS.
func systems(t *testing.T) map[string]fs.FS {
	t.Helper()
	files := fstest.MapFS{"sub/data": {Data: content}, "hello": {Data: []byte("hello")}}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	if err := errors.Join(w.AddFS(files), w.Close()); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, files); err != nil {
		t.Fatal(err)
	}
	return map[string]fs.FS{"map": files, "zip": z, "directory": os.DirFS(dir), "unseekable": unseekable{files}}
}

// unseekable hides what its files can do beside Read.
type unseekable struct{ fs.FS }

func (u unseekable) Open(name string) (fs.File, error) {
	f, err := u.FS.Open(name)
	if _, dir := f.(fs.ReadDirFile); err != nil || dir {
		return f, err
	}
	return struct{ fs.File }{f}, nil
}

func TestReadsAtAnyPlace(t *testing.T) {
	for name, fsys := range systems(t) {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, fsys)
			_, sub := p.Lookup(abi.RootID, "sub")
			e, file := p.Lookup(sub, "data")
			if e != vfs.OK {
				t.Fatal(e)
			}
			_, b := p.Send(abi.OpOpen, file, abi.Bytes(&abi.OpenIn{}))
			var o abi.OpenOut
			abi.Decode(&o, b)
			for _, off := range []int{50000, 0, 99990, 99999, 100000, 200000, 7, 7} {
				e, b := p.Send(abi.OpRead, file, abi.Bytes(&abi.ReadIn{Fh: o.Fh, Offset: uint64(off), Size: 300}))
				expect := content[min(off, len(content)):min(off+300, len(content))]
				if e != vfs.OK || !bytes.Equal(b, expect) {
					t.Errorf("at %d: %v, %d bytes of %d", off, e, len(b), len(expect))
				}
			}
			p.Release(file, o.Fh)
		})
	}
}

// names decodes a listing.
func names(b []byte) (list []string) {
	for len(b) >= abi.DirentSize {
		n := int(binary.NativeEndian.Uint32(b[16:]))
		list = append(list, string(b[abi.DirentSize:abi.DirentSize+n]))
		b = b[abi.DirentLen(n, false):]
	}
	return list
}

func TestListsAndRefuses(t *testing.T) {
	for name, fsys := range systems(t) {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, fsys)
			dh := p.Opendir(abi.RootID)
			_, b := p.Send(abi.OpReaddir, abi.RootID, abi.Bytes(&abi.ReadIn{Fh: dh, Size: 4096}))
			if list := names(b); !slices.Equal(list, []string{".", "..", "hello", "sub"}) {
				t.Errorf("names: %q", list)
			}
			for what, want := range map[string]vfs.Errno{"missing": vfs.ENOENT, "\xff": vfs.ENOENT, "..": vfs.EINVAL} {
				if e, _ := p.Lookup(abi.RootID, what); e != want {
					t.Errorf("LOOKUP of %q: %v, want %v", what, e, want)
				}
			}
			_, hello := p.Lookup(abi.RootID, "hello")
			if e, _ := p.Lookup(hello, "x"); e != vfs.ENOTDIR && e != vfs.ENOENT {
				t.Error("LOOKUP in a file:", e)
			}
			if e, _ := p.Send(abi.OpUnlink, abi.RootID, vfstest.CString("hello")); e != vfs.EROFS {
				t.Error("UNLINK:", e)
			}
			if e, _ := p.Send(abi.OpOpen, hello, abi.Bytes(&abi.OpenIn{Flags: 1})); e != vfs.EROFS {
				t.Error("OPEN for writing:", e)
			}
			if e, _ := p.Send(abi.OpReadlink, hello); e != vfs.EINVAL {
				t.Error("READLINK of a file:", e)
			}
		})
	}
}

func attr(t *testing.T, p *vfstest.Peer, node uint64) abi.Attr {
	t.Helper()
	e, b := p.Send(abi.OpGetattr, node, make([]byte, 16))
	var out abi.AttrOut
	if e != vfs.OK || !abi.Decode(&out, b) {
		t.Fatal(e)
	}
	return out.Attr
}

func TestModesAndLinks(t *testing.T) {
	dir := t.TempDir()
	secret, script := filepath.Join(dir, "secret"), filepath.Join(dir, "script")
	if err := errors.Join(
		os.WriteFile(secret, nil, 0o600), os.Chmod(secret, 0), os.WriteFile(script, nil, 0o600), os.Chmod(script, 0o755),
		os.Symlink("script", filepath.Join(dir, "link")),
	); err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, os.DirFS(dir))
	for name, mode := range map[string]uint32{"secret": 0o100000, "script": 0o100555, "link": 0o120000} {
		_, id := p.Lookup(abi.RootID, name)
		a := attr(t, p, id)
		if mode&0o170000 == 0o120000 {
			a.Mode &= 0o170000
		}
		if a.Mode != mode {
			t.Errorf("%s: mode %o, want %o", name, a.Mode, mode)
		}
	}
	_, link := p.Lookup(abi.RootID, "link")
	if e, b := p.Send(abi.OpReadlink, link); e != vfs.OK || string(b) != "script" {
		t.Errorf("READLINK: %v, %q", e, b)
	}
	// A map gives no permissions: everybody may read.
	p = newPeer(t, fstest.MapFS{"d/f": {}})
	_, d := p.Lookup(abi.RootID, "d")
	_, f := p.Lookup(d, "f")
	if x, y := attr(t, p, d).Mode, attr(t, p, f).Mode; x != 0o040555 || y != 0o100444 {
		t.Errorf("modes %o and %o", x, y)
	}
}

// once fails at the second open.
type once struct {
	fs.FS
	opened *bool
}

func (o once) Open(name string) (fs.File, error) {
	if name != "hello" {
		return o.FS.Open(name)
	}
	if *o.opened {
		return nil, fs.ErrPermission
	}
	*o.opened = true
	return unseekable{o.FS}.Open(name)
}

func TestAFailedReopenIsAnError(t *testing.T) {
	f, err := node{&system{FS: once{fstest.MapFS{"hello": {Data: []byte("hello")}}, new(bool)}}, "hello"}.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	r := f.(io.ReaderAt)
	b := make([]byte, 2)
	if _, err := r.ReadAt(b, 3); err != nil || string(b) != "lo" {
		t.Fatal(err, string(b))
	}
	if _, err := r.ReadAt(b, 0); !errors.Is(err, fs.ErrPermission) {
		t.Fatal(err)
	}
	if _, err := r.ReadAt(b, 5); !errors.Is(err, io.EOF) {
		t.Fatal("at the end:", err)
	}
	if err := f.(io.Closer).Close(); err != nil {
		t.Fatal(err)
	}
}
