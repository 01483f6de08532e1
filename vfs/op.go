package vfs

import (
	"sync"
	"sync/atomic"

	"github.com/fastfsd/fastfsd/abi"
)

// Cred is who asks. A wrapper that changes it puts it back on every way out.
type Cred struct{ UID, GID, PID uint32 }

// TargetMax is the longest symlink target, in bytes, without its NUL (PATH_MAX - 1).
const TargetMax = 4095

const (
	maxScratch = 8
	maxFilters = 4
	maxHooks   = 4
	maxEnts    = 4 // nodes and handles that one request names
)

// Op is one request: a slot on the Go heap, made once and used again; only its wire memory lies elsewhere. What it
// shows is valid until the method returns (or, after Pending, until Complete).
type Op struct {
	Cred
	conn *Conn

	hdr      abi.InHeader
	args     abi.Args
	nonblock bool
	group    uint32 // supplementary group of CREATE_SUPP_GROUP, if hasGroup
	hasGroup bool
	secctx   []byte // security context extension, raw, in payload memory
	name     [2][NameMax + 1]byte
	nlen     [2]int
	target   [TargetMax + 1]byte
	tlen     int
	data     []byte // request payload behind arguments and names
	far      Far    // a WRITE's data that was not copied; then farLen is its length, and data is nil
	farLen   int
	reply    []byte // reply body; may be the same memory as data

	// Results. They live here because a pointer handed through a func value would escape to the heap.
	err     Errno
	n       int // bytes of the reply's body
	entry   Entry
	opened  Opened
	stat    Stat
	statfs  abi.Kstatfs
	statx   abi.StatxOut
	lock    Lock
	num     uint64
	off     int64
	num32   uint32
	res32   int32
	payload Payload
	dir     dirWriter

	// What the reply carries, given back if it cannot be delivered; a private list, for the peer sees the reply.
	gotNode   uint64
	gotHandle uint64
	gotIDs    []uint64

	ents   [maxEnts]*ent
	nents  int
	pinned bool
	ops    *Ops

	scratch  [maxScratch]Entry
	nscratch int
	filters  [maxFilters]filterSink
	nfilter  int
	hooks    [maxHooks]struct {
		h   Hook
		arg uint64
	}
	nhook int
	temp  [NameMax + 1]byte
	open  [2]Open // for *Open arguments

	state       atomic.Uint64 // token.go
	lateVal     uint32        // of an early answer; written under doneMu
	interrupted atomic.Bool
	inflight    bool // in the connection's flight table
	tainted     bool // the calling thread's credentials may not be its own
	doneMu      sync.Mutex
	done        chan struct{}
	late        Late
}

// Nonblock is true on a loop: try locks that may be held across a wait, and return WouldBlock instead of waiting.
func (op *Op) Nonblock() bool { return op.nonblock }

// SetTainted says that this thread's credentials could not be put back: the engine ends the thread.
func (op *Op) SetTainted() { op.tainted = true }

// Tainted says so to the engine, after Begin and Run; also after a panic.
func (op *Op) Tainted() bool { return op.tainted }

// NodeID is the wire id of the node that is asked.
func (op *Op) NodeID() uint64 { return op.hdr.NodeID }

// Opcode is what is asked.
func (op *Op) Opcode() abi.Opcode { return op.hdr.Opcode }

// Unique is the kernel's number of this request, for logs.
func (op *Op) Unique() uint64 { return op.hdr.Unique }

// Conn is the connection that the request came by.
func (op *Op) Conn() *Conn { return op.conn }

// Group is the supplementary group that the new file's directory wants, if the kernel sent one (CREATE_SUPP_GROUP).
func (op *Op) Group() (gid uint32, ok bool) { return op.group, op.hasGroup }

// Secctx is the security context extension of a creating request: a struct fuse_secctx_header and what follows, or nil.
func (op *Op) Secctx() []byte { return op.secctx }

// Reply is n bytes of the reply's memory, fewer if the transport has fewer. On some transports it is the SAME memory as
// Data: nothing may be written there before the input was read and WouldBlock ruled out.
func (op *Op) Reply(n int) []byte { return op.reply[:min(n, len(op.reply))] }

// Scratch is a temporary Entry for composites; Unscratch gives it back, in reverse order. 8 deep.
func (op *Op) Scratch() *Entry {
	e := &op.scratch[op.nscratch]
	op.nscratch++
	*e = Entry{}
	return e
}

// Unscratch gives the last Scratch back.
func (op *Op) Unscratch() { op.nscratch-- }

// TempName copies s, at most NameMax bytes, into op memory; valid until the next TempName.
func (op *Op) TempName(s string) Name {
	n := copy(op.temp[:NameMax], s)
	op.temp[n] = 0
	return Name(op.temp[: n : n+1])
}

// OnDone has h called after the final result, a late one included, with the errno negated or 0; its return value is the new result. Called in
// reverse order of registration, 4 deep. After WouldBlock the hooks are dropped, for the method runs again.
func (op *Op) OnDone(h Hook, arg uint64) {
	op.hooks[op.nhook].h, op.hooks[op.nhook].arg = h, arg
	op.nhook++
}

// Interrupted says whether the caller has sent an INTERRUPT. A request is only found by it once it has left its loop.
func (op *Op) Interrupted() bool { return op.interrupted.Load() }

// Done is closed by INTERRUPT. Made when first asked for; not on a loop.
func (op *Op) Done() <-chan struct{} {
	op.doneMu.Lock()
	defer op.doneMu.Unlock()
	if op.done == nil {
		op.done = make(chan struct{})
		if op.interrupted.Load() {
			close(op.done)
		}
	}
	return op.done
}

// interrupt marks the op; true: it was not marked before.
func (op *Op) interrupt() bool {
	op.doneMu.Lock()
	defer op.doneMu.Unlock()
	if op.interrupted.Swap(true) {
		return false
	}
	if op.done != nil {
		close(op.done)
	}
	return true
}

// EntryFilter is what a wrapper puts in front of a directory sink.
type EntryFilter interface{ FilterEntry(op *Op, e *Entry) }

// Filter is a sink that shows each entry to f before to gets it. It lives in the op, 4 deep.
func (op *Op) Filter(to DirSink, f EntryFilter) DirSink {
	s := &op.filters[op.nfilter]
	op.nfilter++
	s.to, s.f = to, f
	return s
}

type filterSink struct {
	to DirSink
	f  EntryFilter
}

func (s *filterSink) Room(nameLen int) bool { return s.to.Room(nameLen) }

func (s *filterSink) Add(op *Op, name Name, next, ino uint64, typ uint32, e *Entry) bool {
	if e != nil {
		s.f.FilterEntry(op, e)
	}
	return s.to.Add(op, name, next, ino, typ, e)
}
