// Package bench measures servers against each other: mounts of the same directory, the same work on each of them in turn, and the
// ratio of what they did.
//
// # One row
//
//  1. Both servers (and with Options.AA the first one a second time) are started as processes of their own and mount the same tmpfs.
//  2. A pair is a short run of the row's job on each of them, one after another, in an order that rotates from pair to pair. Rows that
//     want cold caches mount anew for each pair.
//  3. The pair's ratio compares runs of the same half second, so a neighbour's load hits both. The row's ratio is the median of the
//     pairs' ratios, with a bootstrap interval. The spread is how far the ratio of a server against itself is away from 1.
//
// Jobs run in a client process (this program, started again): locked threads and raw system calls, no collections, no preemption
// signals. Server and client share no runtime.
//
// # Threads
//
// Run is for one goroutine at a time. The client's threads share nothing but the flag that stops them.
//
// bench imports engine, fusedev, vfs and abi, for the slow back-end; the servers under test are programs.
package bench

import "errors"

// ErrNotSupported is what Run returns off Linux.
var ErrNotSupported = errors.New("bench: needs Linux")
