// Package engine owns the loops: one goroutine per CPU, locked to a pinned thread with one io_uring, and what a loop
// hands requests to that may wait. It drives vfs.Conn for transports; it knows neither a back-end nor where requests
// come from.
//
// # A request
//
//  1. A completion reaches its [Source]. The transport loads the request into a [Slot] and calls [Loop.Serve].
//  2. Serve asks the connection. What is answered at once goes back to the slot's [Queue] as Reply; data is read into
//     reply memory inline when it is cached, else through the ring.
//  3. What may wait is announced to the queue (Hold), then runs on a locked thread of the offload pool, or, for a file
//     system that knows nothing of loops, in a goroutine of its own; or it is parked and answered late.
//  4. An answer that was made elsewhere is sent by whoever made it, if the queue lets any thread send, else it comes
//     back through the owner's inbox with one message to its ring.
//  5. Replies are submitted together, with the same system call that waits for the next request.
//
// A batch takes the completions that have come, then the inbox: posted slots and one call. So a call finds handled what had
// completed when it was made, and neither completions nor slots that keep coming hold the other, or a call, up.
//
// # Threads
//
// Methods of Loop are for its own thread, except Do, Call, CPU and Index. A Source and a Queue are called on their loop's
// thread, but for Queue.Reply of a queue whose AnyThread is true. Engine's methods are for any thread but a loop's.
//
// # Locks
//
// Inbox, pool and goroutine lists have a leaf lock each; no lock is held across a call of vfs or of a transport. The
// fast path takes none.
//
// # Panics
//
// A panic in a back-end is caught in vfs. One in a hook, a transport or vfs, a fault on memory that a peer has truncated
// included, ends the request with EIO and the batch, not the loop: completions and inbox entries are taken before they
// are handled. Only one in Queue.Reply itself loses its request. A thread on which something panicked gets its own
// credentials back, a loop's, or ends, the others'; a loop that cannot get them back ends the process.
//
// # Restrictions
//
// A loop's ring takes the operations that loops and transports use and no others, for seccomp does not see what goes
// through a ring. Whoever needs one more adds it to restrictions.
//
// engine imports abi, vfs and ring; never a transport or a back-end.
package engine
