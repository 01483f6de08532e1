//go:build linux

package passthrough

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// client plays a kernel: it sends requests to a connection and satisfies extents by plain calls.
type client struct {
	t      testing.TB
	fs     *FS
	c      *vfs.Conn
	ep     *vfs.Epoch
	unique uint64
	uid    uint32
	gid    uint32
	ext    []byte // extensions of the next requests
}

func newClient(t testing.TB, dir string, o Options, co vfs.Options) *client {
	t.Helper()
	fs, err := New(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return attach(t, fs, co)
}

func attach(t testing.TB, fs *FS, co vfs.Options) *client {
	t.Helper()
	conn, err := vfs.NewConn(vfs.Resolve(fs), co)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, fs: fs, c: conn, ep: conn.Epoch()}
	in := abi.InitIn{Major: 7, Minor: 45, Flags: ^uint32(0), Flags2: ^uint32(0)}
	if e, _ := c.do(abi.OpInit, 0, abi.Bytes(&in)); e != vfs.OK {
		t.Fatal("init:", e)
	}
	t.Cleanup(c.shutdown)
	return c
}

// shutdown ends the connection and fails where something stays behind.
func (c *client) shutdown() {
	c.c.Shutdown()
	select {
	case <-c.c.Done():
	case <-time.After(30 * time.Second):
		n, h := c.c.Live()
		c.t.Errorf("connection does not end: %d nodes, %d handles, %d in flight", n, h, c.c.InFlight())
	}
	if n := c.c.LateDup.Load(); n != 0 {
		c.t.Errorf("%d requests answered twice", n)
	}
	if n := c.c.Panics.Load(); n != 0 {
		c.t.Errorf("%d panics", n)
	}
}

// call is a request on its way.
type call struct {
	c      *client
	unique uint64
	reply  []byte
	done   chan struct{}
	e      vfs.Errno
	body   []byte
	late   bool // it had to wait
}

func (k *call) Late(op *vfs.Op) { k.finish(op) }

func (k *call) finish(op *vfs.Op) {
	e, n := op.Result()
	k.e, k.body = e, k.reply[:n]
	k.c.c.Sent(op)
	close(k.done)
}

func (k *call) answered() bool {
	select {
	case <-k.done:
		return true
	default:
		return false
	}
}

// wait is the answer, which has to come.
func (k *call) wait() vfs.Errno {
	k.c.t.Helper()
	select {
	case <-k.done:
	case <-time.After(60 * time.Second):
		k.c.t.Fatal("a request was never answered")
	}
	return k.e
}

// begin gives a request to a loop.
func (c *client) begin(op abi.Opcode, node uint64, parts ...[]byte) (*call, *vfs.Op, vfs.Verdict) {
	c.unique += 2
	h := abi.InHeader{Len: abi.HeaderSize, Opcode: op, Unique: c.unique, NodeID: node, UID: c.uid, GID: c.gid, PID: 77}
	for _, p := range parts {
		h.Len += uint32(len(p))
	}
	h.Len, h.TotalExtlen = h.Len+uint32(len(c.ext)), uint16(len(c.ext)/8)
	msg := append([]byte(nil), abi.Bytes(&h)...)
	for _, p := range parts {
		msg = append(msg, p...)
	}
	msg = append(msg, c.ext...)
	k := &call{c: c, unique: c.unique, reply: make([]byte, 1<<20), done: make(chan struct{})}
	o := c.c.NewOp(k)
	c.ep.Enter()
	c.c.LoadMessage(o, msg, k.reply)
	v := c.c.Begin(o)
	c.ep.Exit()
	return k, o, v
}

// start sends a request and returns when it is answered or has to wait.
func (c *client) start(op abi.Opcode, node uint64, parts ...[]byte) *call {
	k, o, v := c.begin(op, node, parts...)
	for {
		switch v {
		case vfs.Offload, vfs.Spawn:
			v = c.run(o)
			continue
		case vfs.IO:
			v = c.c.Satisfied(o, transfer(o))
			continue
		case vfs.Reply, vfs.Silent:
			k.finish(o)
		case vfs.Parked:
			k.late = true
		}
		return k
	}
}

func (c *client) run(o *vfs.Op) (v vfs.Verdict) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		v = c.c.Run(o)
		if v != vfs.Parked && o.Tainted() { // a parked op may be another thread's by now
			c.t.Error("a thread could not be restored")
			return
		}
		runtime.UnlockOSThread()
	}()
	<-done
	return v
}

func transfer(o *vfs.Op) int32 {
	f, off, buf, rwf, write := o.Transfer()
	if write {
		n, e := pwritev2(int(f.FD), buf, off, rwf)
		if e != vfs.OK {
			return -int32(e)
		}
		return int32(n)
	}
	n, err := syscall.Pread(int(f.FD), buf, off)
	if err != nil {
		return -int32(err.(syscall.Errno))
	}
	return int32(n)
}

func (c *client) do(op abi.Opcode, node uint64, parts ...[]byte) (vfs.Errno, []byte) {
	c.t.Helper()
	k := c.start(op, node, parts...)
	return k.wait(), k.body
}

func cstr(s string) []byte { return append([]byte(s), 0) }

// lookup is the node of a name in the root.
func (c *client) lookup(name string) uint64 {
	c.t.Helper()
	e, body := c.do(abi.OpLookup, abi.RootID, cstr(name))
	if e != vfs.OK {
		c.t.Fatalf("lookup %s: %v", name, e)
	}
	var out abi.EntryOut
	copy(abi.Bytes(&out), body)
	return out.NodeID
}

func (c *client) tryOpen(node uint64, flags, openFlags uint32) (vfs.Errno, abi.OpenOut) {
	c.t.Helper()
	e, body := c.do(abi.OpOpen, node, abi.Bytes(&abi.OpenIn{Flags: flags, OpenFlags: openFlags}))
	var out abi.OpenOut
	copy(abi.Bytes(&out), body)
	return e, out
}

func (c *client) open(node uint64, flags uint32) uint64 {
	c.t.Helper()
	e, out := c.tryOpen(node, flags, 0)
	if e != vfs.OK {
		c.t.Fatalf("open: %v", e)
	}
	return out.Fh
}

func (c *client) release(node, fh uint64) {
	c.t.Helper()
	if e, _ := c.do(abi.OpRelease, node, abi.Bytes(&abi.ReleaseIn{Fh: fh})); e != vfs.OK {
		c.t.Fatal("release:", e)
	}
}

func (c *client) interrupt(k *call) {
	c.do(abi.OpInterrupt, 0, abi.Bytes(&abi.InterruptIn{Unique: k.unique}))
}

// newFile makes a file in dir.
func newFile(t testing.TB, dir, name, data string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

// eventually waits for something that another goroutine does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never happened: " + what)
		}
	}
}
