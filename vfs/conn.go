package vfs

import (
	"crypto/rand"
	"encoding/binary"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/fastfsd/fastfsd/abi"
)

// Conn is one connection to a kernel: what was negotiated, its nodes and handles, the requests in flight.
//
// What a file system lacks is answered as the protocol wants it: a missing Open or Opendir succeeds; Flush, Fsync,
// Access, extended attributes, locks, LSEEK, FALLOCATE and the like get ENOSYS, which the kernel takes for the life
// of the connection, or EOPNOTSUPP where Options.Composite says that a file system with the operation may still come; creating
// and removing names gets EPERM; IOCTL gets ENOTTY.
type Conn struct {
	opts    Options
	root    *Ops
	nodes   table
	handles table
	index   index
	rc      reclaimer
	janitor janitor
	flight  flight
	msgs    sync.Pool // *message

	systems atomic.Pointer[[]*Ops] // index: ent.fs; only grows
	sysMu   sync.Mutex             // serialises growth

	neg      atomic.Pointer[Negotiated] // nil before INIT
	notifier atomic.Pointer[Notifier]
	closed   atomic.Bool
	live     atomic.Int64 // entries not yet given back
	endOnce  sync.Once
	done     chan struct{}

	LateDup atomic.Int64 // late answers to requests that had been answered; fatal in tests
	Panics  atomic.Int64 // panics of back-ends
}

// NewConn makes a connection that serves root. The error says which options exclude each other.
func NewConn(root *Ops, o Options) (*Conn, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	c := &Conn{opts: o, root: root, done: make(chan struct{})}
	c.index.nodes = &c.nodes
	c.rc.clock.Store(1)
	c.systems.Store(&[]*Ops{root})
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	c.handles.life = binary.NativeEndian.Uint32(b[:])>>2 | 1
	c.intern(0, root.Root) // index 1, generation 0: wire id 1
	c.nodes.life = binary.NativeEndian.Uint32(b[4:])>>2 | 1
	return c, nil
}

// system is the file system of an entry.
func (c *Conn) system(fs uint32) *Ops { return (*c.systems.Load())[fs] }

func (c *Conn) knownSystem(o *Ops) (uint32, bool) {
	for i, x := range *c.systems.Load() {
		if x == o {
			return uint32(i), true
		}
	}
	return 0, false
}

// systemOf is the index of o, which it enters if it is new. nil means same.
func (c *Conn) systemOf(o *Ops, same uint32) uint32 {
	if o == nil {
		return same
	}
	if i, ok := c.knownSystem(o); ok {
		return i
	}
	c.sysMu.Lock()
	defer c.sysMu.Unlock()
	if i, ok := c.knownSystem(o); ok {
		return i
	}
	old := *c.systems.Load()
	grown := append(append(make([]*Ops, 0, len(old)+1), old...), o)
	c.systems.Store(&grown)
	return uint32(len(old))
}

// Notifier sends notifications; nil before the transport is ready and where it has none.
func (c *Conn) Notifier() Notifier {
	if n := c.notifier.Load(); n != nil {
		return *n
	}
	return nil
}

// SetNotifier is the transport's.
func (c *Conn) SetNotifier(n Notifier) { c.notifier.Store(&n) }

// Root is the file system that the connection serves.
func (c *Conn) Root() *Ops { return c.root }

// Shutdown ends the connection: requests in flight are interrupted, later ones get ENOTCONN, all nodes and handles are given back.
// It waits for nothing; Done is closed when the last of them is back and the file system's Destroy has returned.
func (c *Conn) Shutdown() {
	if c.closed.Swap(true) {
		return
	}
	c.flight.interruptAll()
	c.drop(true)
}

// Done is closed when a connection that was shut down has given everything back.
func (c *Conn) Done() <-chan struct{} { return c.done }

// ended is called when no entry is left.
func (c *Conn) ended() {
	if !c.closed.Load() {
		return
	}
	c.endOnce.Do(func() {
		go func() {
			defer close(c.done)
			c.root.Destroy()
		}()
	})
}

// panicked reports a panic of a back-end.
func (c *Conn) panicked(op abi.Opcode, v any) {
	c.Panics.Add(1)
	if c.opts.OnPanic != nil {
		c.opts.OnPanic(op, v, debug.Stack())
	}
}

// Reset takes everything away from a peer that begins anew with INIT: requests in flight are interrupted, nodes and handles given back.
func (c *Conn) Reset() {
	c.InterruptAll()
	c.drop(false)
}

// InterruptAll interrupts all requests in flight.
func (c *Conn) InterruptAll() { c.flight.interruptAll() }

// MaxPayload is the memory that the largest request's or reply's payload may need whatever INIT will say, bytes.
func (c *Conn) MaxPayload() int {
	return Negotiated{MaxWrite: c.opts.maxWrite(), MaxPages: c.opts.maxPages()}.Payload()
}
