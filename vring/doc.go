// Package vring is a vhost-user-fs device: it serves a file system to the kernels of virtual machines (virtio 1.3, 5.11; the
// vhost-user protocol as QEMU's documentation has it).
//
// It owns the guests' memory ([Memory]: mapped tables of regions, in versions), the virtqueues (split and packed, with
// EVENT_IDX and INDIRECT_DESC), the protocol's sessions and what they act on. Requests are decoded from descriptor chains, each
// byte of a header once; file data goes between files and guest memory without a copy.
//
// # Threads
//
// A session's messages are handled by the goroutine of [Device.Serve], one at a time. A virtqueue belongs to one loop of the
// engine: its kicks arrive on that loop's ring, its answers are written at the end of a batch, with one interrupt at most. The
// session reaches a queue by engine.Loop.Call only.
//
// # Locks
//
// Device.mu, a leaf.
//
// # Trust
//
// A VMM and its guest are hostile: they may send anything and change any byte of guest memory at any time. What is read from it
// is read once, checked, then used. A driver that breaks virtio's rules has its queue stopped, and the VMM hears of it through
// the error eventfd; memory that is taken away faults, which stops the queue, not the process.
//
// The package imports abi, engine, ring and vfs; it never learns which file system it serves.
package vring
