//go:build linux

package fusedev

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// testFS has a root with the files of testFiles; key i+1 is file i.
type testFS struct {
	inline  bool
	regular bool          // the root is the first file
	hang    chan struct{} // READ of "hang" returns when it is closed
	hanging atomic.Int64  // READs that wait for it, and that did
	reads   atomic.Int64
	forgets atomic.Int64
}

var testFiles = []string{"hello", "hang"}

const testText = "hello, kernel\n"

func (t *testFS) Inline() bool { return t.inline }

func (t *testFS) attr(n vfs.Key, out *vfs.Stat) {
	out.TTL = time.Second
	out.Attr = abi.Attr{Ino: uint64(n) + 1, Mode: unix.S_IFREG | 0o555, Nlink: 1, Size: uint64(len(testText)), Blksize: 4096}
	if n == 0 && !t.regular {
		out.Attr.Mode, out.Attr.Size, out.Attr.Nlink = unix.S_IFDIR|0o755, 0, 2
	}
}

func (t *testFS) Getattr(_ *vfs.Op, n vfs.Key, _ *vfs.Open, out *vfs.Stat) vfs.Errno {
	t.attr(n, out)
	return vfs.OK
}

func (t *testFS) Lookup(_ *vfs.Op, _ vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	for i, f := range testFiles {
		if string(name) == f {
			out.Key, out.EntryTTL = vfs.Key(i+1), time.Second
			t.attr(out.Key, &out.Stat)
			return vfs.OK
		}
	}
	return vfs.ENOENT
}

func (t *testFS) Read(op *vfs.Op, f vfs.Open, off int64, n int32, _ *abi.ReadIn) (vfs.Payload, vfs.Errno) {
	if f.Node == 2 {
		if op.Nonblock() {
			return vfs.Payload{}, vfs.WouldBlock
		}
		t.hanging.Add(1)
		<-t.hang
	}
	t.reads.Add(1)
	text := testText[min(off, int64(len(testText))):]
	b := op.Reply(int(n))
	return op.Bytes(b[:copy(b, text)]), vfs.OK
}

func (t *testFS) Readdir(op *vfs.Op, _ vfs.Open, off uint64, _ bool, to vfs.DirSink) vfs.Errno {
	for i := int(off); i < len(testFiles); i++ {
		if !to.Add(op, vfs.MakeName(testFiles[i]), uint64(i+1), uint64(i+2), unix.DT_REG, nil) {
			break
		}
	}
	return vfs.OK
}

func (t *testFS) Statfs(_ *vfs.Op, _ vfs.Key, out *abi.Kstatfs) vfs.Errno {
	out.Bsize, out.Namelen = 4096, 255
	return vfs.OK
}

func (t *testFS) Forget(_ vfs.Key, refs uint64) { t.forgets.Add(int64(refs)) }
