// Package ring owns io_uring: one Ring type over golang.org/x/sys, its submission entries, its completions and its
// registrations. It knows nothing of FUSE, virtqueues or file systems.
//
// # Threads
//
// A Ring belongs to one OS thread: the one that called New (or Enable, for a ring made with SetupRDisabled). The
// goroutine that uses it holds runtime.LockOSThread. Every method but Fd and Features is for that thread only; nothing
// in a Ring is locked. With SetupSingleIssuer the kernel answers EEXIST to any other thread. With FASTFSD_DEBUG=1 in
// the environment the ring panics when another thread touches it. SendMsgRing is the exception: a function, for any
// thread, which posts a completion into somebody else's ring.
//
// There are no locks, hence no lock order.
//
// # A turn of a loop
//
//  1. Get an SQE (it is zeroed), call one preparation method, set its user data; repeat.
//  2. Submit: the kernel takes the entries and runs its task work. It never sleeps, so it bypasses the Go scheduler.
//     Or SubmitAndWait, when there is nothing else to do: it may sleep, so it tells the Go scheduler.
//  3. Ready says how many completions there are; look at them with CQE(i), then Advance past them.
//
// # Memory
//
// The kernel keeps the addresses in an SQE until the completion is posted, and Go does not know it. Such memory
// (buffers, paths, iovecs, timespecs) must be outside the Go heap and its stacks: Alloc gives it. That is why the
// preparation methods take uintptr and never []byte.
//
// User data belongs to the caller and is never interpreted. It must not be a Go pointer.
//
// # Imports
//
// Only the standard library and golang.org/x/sys/unix. ring imports no other package of this module.
package ring
