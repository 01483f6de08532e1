// Package fusedev is the first transport: it mounts a file system through /dev/fuse, answers INIT and has the host kernel's
// requests served by an engine's loops. It owns the device's fds, the mount and the ways to get and lose both: mount(2),
// fusermount3, an inherited fd, another mount namespace; unmount, abort, and the death of the connection.
//
// # Life of a mount
//
//  1. [Mount] opens or inherits /dev/fuse and mounts it (internal/mnt knows how).
//  2. boot.go answers INIT.
//  3. The transport starts: FUSE over io_uring, /dev/fuse through io_uring, or blocking readers ([Transport]). prime.go
//     then sends the kernel one POLL, so that it never asks again: a process that serves and uses its own mount would
//     hang in epoll_ctl.
//  4. Whoever reads ENODEV or ECONNABORTED from the device calls ended; one goroutine then tears down: Conn.Shutdown,
//     transport.stop, close. [Server.Wait] returns after that.
//
// # Threads
//
// All exported methods may be called by any goroutine, except that a loop must not call Unmount. Notifications that a
// request in flight may hold up are written by the caller, unless it owes an answer itself: see [vfs.Notifier]. No
// thread is kept per mount, apart from those of the blocking transport.
//
// # A process that uses its own mount
//
// System calls work with any GOMAXPROCS and while the world is stopped, for the runtime gives their processor away. Page
// faults of a mapping do not, nor does os/exec until the new program runs (which need not lie on the mount: the new process
// closes files that are open there). The thread keeps its processor, cannot be stopped, and in a fault may hold the lock
// of the address space. So what needs those waits for it, and it for a loop:
//   - as many such threads as there are processors. Engine.Start raises GOMAXPROCS to the loops, the pool's width and
//     one more, so that a process with GOMAXPROCS=1 can do it: do not lower it again;
//   - a garbage collection that begins meanwhile, and mmap(2) by another thread. These hang until the connection is
//     cut, and over io_uring even longer: see docs/kernel.md.
//
// A process that maps files of a mount, or starts programs while it has files open there, should not serve it itself.
//
// # Locks
//
// Server.mu is a leaf. It is held across system calls of Unmount and Abort, never across a call of vfs or engine.
//
// fusedev imports engine, vfs, abi and ring; it never learns which back-end answers.
package fusedev
