package nodefs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

func connOf(t testing.TB, root Node, o Options) *vfs.Conn {
	t.Helper()
	c, err := vfs.NewConn(vfs.Resolve(New(root, o)), vfs.Options{
		Poison:  true,
		OnPanic: func(op abi.Opcode, v any, stack []byte) { t.Errorf("%v: panic: %v\n%s", op, v, stack) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMessages(t *testing.T) {
	vfstest.Messages(t, func(t testing.TB) *vfs.Conn { return connOf(t, NewDir(), Options{TTL: time.Second}) })
}

// bare is a node without methods; broken fails in its own way.
type (
	bare   struct{ _ byte }
	broken struct{ err error }
)

func (b *broken) Lookup(context.Context, string) (Node, error) { return nil, b.err }

func TestErrnos(t *testing.T) {
	for _, c := range []struct {
		err   error
		want  vfs.Errno
		known bool
	}{
		{nil, vfs.OK, true},
		{fs.ErrNotExist, vfs.ENOENT, true},
		{&os.PathError{Op: "open", Err: syscall.ELOOP}, vfs.ELOOP, true},
		{fmt.Errorf("no: %w", vfs.ENOTEMPTY), vfs.ENOTEMPTY, true},
		{fmt.Errorf("no: %w", fs.ErrPermission), vfs.EACCES, true},
		{syscall.EPERM, vfs.EPERM, true}, // which is an fs.ErrPermission, too
		{context.Canceled, vfs.EINTR, true},
		{errors.ErrUnsupported, vfs.EOPNOTSUPP, true},
		{vfs.Pending, vfs.EIO, false},
		{vfs.WouldBlock, vfs.EIO, false},
		{syscall.Errno(0), vfs.EIO, false},
		{errors.New("something"), vfs.EIO, false},
	} {
		if e, known := Errno(c.err); e != c.want || known != c.known {
			t.Errorf("%v: %v, %v, want %v, %v", c.err, e, known, c.want, c.known)
		}
	}
}

func TestUnknownErrorsAreReported(t *testing.T) {
	var heard error
	odd := errors.New("odd")
	p := vfstest.NewPeer(t, connOf(t, &broken{odd}, Options{OnError: func(_ abi.Opcode, err error) { heard = err }}))
	if e, _ := p.Lookup(abi.RootID, "x"); e != vfs.EIO || !errors.Is(heard, odd) {
		t.Fatal(e, heard)
	}
}

func TestModes(t *testing.T) {
	for _, u := range []uint32{
		0o100644, 0o104755, 0o102755, 0o041777, 0o120777, 0o010600, 0o140600, 0o020666, 0o060660, 0o100000,
	} {
		if got := unixMode(goMode(u)); got != u {
			t.Errorf("%o becomes %o", u, got)
		}
	}
}

// TestEqualNodesAreOneInode: a node that is found twice has one id, and is let go when the kernel has forgotten it.
func TestEqualNodesAreOneInode(t *testing.T) {
	f := NewFile([]byte("x"))
	back := New(NewDir().Add("a", f).Add("b", f).Add("c", &bare{}), Options{})
	c, err := vfs.NewConn(vfs.Resolve(back), vfs.Options{Poison: true})
	if err != nil {
		t.Fatal(err)
	}
	p := vfstest.NewPeer(t, c)
	_, a := p.Lookup(abi.RootID, "a")
	_, b := p.Lookup(abi.RootID, "b")
	_, x := p.Lookup(abi.RootID, "c")
	if a == 0 || a != b || x == a {
		t.Fatal(a, b, x)
	}
	known := func() (int, int) {
		back.mu.Lock()
		defer back.mu.Unlock()
		return len(back.keys), len(back.inodes)
	}
	if n, m := known(); n != 3 || m != 3 {
		t.Fatal(n, m)
	}
	p.Forget(a, 2)
	p.Forget(x, 1)
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) { // told in the background
		n, m := known()
		if n == 1 && m == 1 {
			break
		}
		if c.Live(); time.Now().After(end) {
			t.Fatalf("%d nodes are kept", n)
		}
	}
}

func TestReadOnly(t *testing.T) {
	p := vfstest.NewPeer(t, connOf(t, NewDir().Add("f", NewFile([]byte("x"))), Options{ReadOnly: true}))
	_, f := p.Lookup(abi.RootID, "f")
	for op, body := range map[abi.Opcode][]byte{
		abi.OpMkdir: append(abi.Bytes(&abi.MkdirIn{}), "d\x00"...), abi.OpUnlink: []byte("f\x00"), abi.OpRmdir: []byte("f\x00"),
		abi.OpSymlink: []byte("s\x00t\x00"), abi.OpCreate: append(abi.Bytes(&abi.CreateIn{}), "n\x00"...),
		abi.OpMknod:   append(abi.Bytes(&abi.MknodIn{}), "n\x00"...),
		abi.OpRename2: append(abi.Bytes(&abi.Rename2In{NewDir: 1}), "f\x00g\x00"...),
		abi.OpLink:    append(abi.Bytes(&abi.LinkIn{OldNodeID: f}), "g\x00"...), abi.OpSetattr: abi.Bytes(&abi.SetattrIn{}),
	} {
		if e, _ := p.Send(op, abi.RootID, body); e != vfs.EROFS {
			t.Errorf("%v: %v", op, e)
		}
	}
	if e, _ := p.Send(abi.OpOpen, f, abi.Bytes(&abi.OpenIn{Flags: 2})); e != vfs.EROFS {
		t.Error("OPEN for writing:", e)
	}
	if e, _ := p.Send(abi.OpOpen, f, abi.Bytes(&abi.OpenIn{})); e != vfs.OK {
		t.Error("OPEN:", e)
	}
}

// waiting is a directory whose lookups wait for their context.
type waiting struct{ began chan vfs.Cred }

func (w *waiting) Lookup(ctx context.Context, _ string) (Node, error) {
	c, _ := Caller(ctx)
	w.began <- c
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestContextEndsWithAnInterrupt(t *testing.T) {
	w := &waiting{make(chan vfs.Cred, 1)}
	p := vfstest.NewPeer(t, connOf(t, w, Options{}))
	unique, answer := p.Go(abi.OpLookup, abi.RootID, vfstest.CString("x"))
	<-w.began
	p.Send(abi.OpInterrupt, 0, abi.Bytes(&abi.InterruptIn{Unique: unique}))
	if e := <-answer; e != vfs.EINTR {
		t.Fatal(e)
	}
}
