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
// # Locks
//
// Server.mu is a leaf. It is held across system calls of Unmount and Abort, never across a call of vfs or engine.
//
// fusedev imports engine, vfs, abi and ring; it never learns which back-end answers.
package fusedev
