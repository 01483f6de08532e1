//go:build linux

package fusedev

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// heldFS has files whose pages the client's kernel keeps. All bytes of a file are the same: the version that it had when its READ began.
// READ and CREATE of a name that begins with "held" are kept until release is closed; others call meddle before they return.
type heldFS struct {
	inline  bool
	release chan struct{}
	held    atomic.Int64 // requests that are kept
	version atomic.Int64
	reads   atomic.Int64
	meddle  func(c *vfs.Conn, node vfs.Key, name string) // of a file that is read, of a directory in which a name is made

	mu    sync.Mutex
	names []string // guarded by mu; name i is key i+1
}

const heldSize = 4096

func newHeldFS(inline bool, names ...string) *heldFS {
	h := &heldFS{inline: inline, release: make(chan struct{}), names: names, meddle: func(*vfs.Conn, vfs.Key, string) {}}
	h.version.Store(1)
	return h
}

func (h *heldFS) Inline() bool { return h.inline }

// keep is WouldBlock where a request cannot be kept.
func (h *heldFS) keep(op *vfs.Op) vfs.Errno {
	if op.Nonblock() {
		return vfs.WouldBlock
	}
	h.held.Add(1)
	defer h.held.Add(-1)
	select {
	case <-h.release:
		return vfs.OK
	case <-op.Done():
		return vfs.EINTR
	}
}

func (h *heldFS) Getattr(_ *vfs.Op, n vfs.Key, _ *vfs.Open, out *vfs.Stat) vfs.Errno {
	out.TTL = time.Hour
	out.Attr = abi.Attr{Ino: uint64(n) + 1, Mode: unix.S_IFREG | 0o666, Nlink: 1, Size: heldSize, Blksize: 4096}
	if n == 0 {
		out.Attr.Mode, out.Attr.Nlink = unix.S_IFDIR|0o777, 2
	}
	return vfs.OK
}

func (h *heldFS) key(name string, create bool) (vfs.Key, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, n := range h.names {
		if n == name {
			return vfs.Key(i + 1), true
		}
	}
	if create {
		h.names = append(h.names, name)
	}
	return vfs.Key(len(h.names)), create
}

func (h *heldFS) name(k vfs.Key) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.names[k-1]
}

func (h *heldFS) Lookup(op *vfs.Op, _ vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	k, ok := h.key(string(name), false)
	if !ok {
		return vfs.ENOENT
	}
	out.Key, out.EntryTTL = k, time.Hour
	return h.Getattr(op, k, nil, &out.Stat)
}

func (h *heldFS) Create(op *vfs.Op, dir vfs.Key, name vfs.Name, _ *abi.CreateIn, e *vfs.Entry, _ *vfs.Opened) vfs.Errno {
	s := string(name)
	if strings.HasPrefix(s, "held") {
		if errno := h.keep(op); errno != vfs.OK {
			return errno
		}
	} else {
		h.meddle(op.Conn(), dir, s)
	}
	h.key(s, true)
	return h.Lookup(op, dir, name, e)
}

func (h *heldFS) Read(op *vfs.Op, f vfs.Open, off int64, n int32, _ *abi.ReadIn) (vfs.Payload, vfs.Errno) {
	version, name := byte(h.version.Load()), h.name(f.Node)
	if strings.HasPrefix(name, "held") {
		if e := h.keep(op); e != vfs.OK {
			return vfs.Payload{}, e
		}
	} else {
		h.meddle(op.Conn(), f.Node, name)
	}
	h.reads.Add(1)
	b := op.Reply(int(max(0, min(int64(n), heldSize-off))))
	copy(b, bytes.Repeat([]byte{version}, len(b)))
	return op.Bytes(b), vfs.OK
}
