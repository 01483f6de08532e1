package vfs

import (
	"runtime"
	"strings"
)

// Notifier sends notifications to the kernel (struct fuse_notify_*_out). Any goroutine may call any method at any time,
// also a back-end's method.
//
// Some notifications need what a request in flight holds in the client's kernel: InvalInode and Store the pages that a
// READ fills, InvalEntry and Delete the directory in which a LOOKUP, CREATE, UNLINK or the like works, Prune the end of
// a node whose data is being written back. These five
//
//   - called from outside of a back-end's methods, return when the kernel has done it: after the answer to that
//     request, however long it takes. Meanwhile the call keeps a thread. So hold no lock that a method needs, and let
//     no method wait for the call: the kernel would wait for the method;
//   - called by a back-end's method, directly or not, are sent by another goroutine, for the method owes the answer.
//     They return at once, nil or ENOBUFS (the kernel has not taken the last 1024 of this node). What the kernel
//     says is lost, and it may hear of it before or after the method's answer. Those of one node (of an entry: of its
//     parent) keep their order.
//
// All others never wait. Node ids are wire ids, see Conn.NodeID. An error is the errno of the write: ENOENT where the kernel
// does not know the node or name, ENOTCONN when the mount has gone.
type Notifier interface {
	// InvalInode drops attributes and, of [off, off+n), cached data; n 0: to the end; off negative: attributes only.
	InvalInode(node uint64, off, n int64) error
	// InvalEntry drops a name; flags: abi.ExpireOnly lets it run out instead.
	InvalEntry(parent uint64, name string, flags uint32) error
	// Delete is InvalEntry of a name that was removed; watchers see it.
	Delete(parent, child uint64, name string) error
	// Store puts data into the kernel's cache of a file.
	Store(node, off uint64, data []byte) error
	// Retrieve asks for cached data; it comes back as a NOTIFY_REPLY request with this unique.
	Retrieve(unique, node, off uint64, n uint32) error
	// PollWakeup wakes the waiters of a poll handle (abi.PollIn.Kh).
	PollWakeup(kh uint64) error
	// Resend asks for everything that is in flight once more; for a server that took a connection over.
	Resend() error
	// IncEpoch makes all cached names stale at once.
	IncEpoch() error
	// Prune asks the kernel to forget unused nodes.
	Prune(nodes []uint64) error
}

// connMethods begins the names of the functions through which every call of a back-end goes.
const connMethods = "github.com/fastfsd/fastfsd/vfs.(*Conn)."

// Serving says whether the caller was called, directly or not, by a connection: in its thread nothing may be waited for
// that a request in flight could hold. Goroutines have no identity to remember; their stacks tell. A few microseconds.
func Serving() bool {
	var pcs [64]uintptr
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		if n == 0 {
			return false
		}
		for frames := runtime.CallersFrames(pcs[:n]); ; {
			f, more := frames.Next()
			if strings.HasPrefix(f.Function, connMethods) {
				return true
			}
			if !more {
				break
			}
		}
	}
}
