// Package vfs says what a file system is and keeps what a connection to a kernel needs: the interfaces that a back-end
// implements, [Op] (one request), the node and handle tables of a connection, INIT negotiation and dispatch.
//
// A back-end implements the small interfaces that it has ([Lookuper], [Reader], …); [Resolve] turns them once into an
// [Ops], a struct of func values. Its methods return their result and the engine replies, so that a request is
// answered exactly once by construction. A transport or an engine drives a [Conn] with [Conn.Begin], [Conn.Run],
// [Conn.Satisfied] and [Conn.End].
//
// # Threads
//
// Methods of a back-end that declares [Inliner] run on a loop's thread and must not wait there (see [Op.Nonblock]); where
// they would, they return [WouldBlock] before any side effect and are called again on a thread of the offload pool. All
// other back-ends are called from a goroutine each. Conn's methods may be called by any thread; Begin and Satisfied by
// one that holds an [Epoch] of the connection between Enter and Exit.
//
// # Locks
//
// Leaf locks only, never held across a call of a back-end: Conn.late > index shard > table > flight > janitor. A back-end's
// Forget and Release are called with none of them held, except Conn.late.
//
// vfs imports abi and nothing else of this module: it knows no transport, no ring and no engine.
package vfs
