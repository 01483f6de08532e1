// Package driver is the other end of a vhost-user-fs socket: what a virtual machine monitor and the virtio-fs driver of its guest
// do, without a machine. It drives any device that speaks vhost-user, fastfsd's in tests and others' in benchmarks.
//
//   - [Dial] connects, makes guest memory of memfds, negotiates and starts the queues, in the order of messages that QEMU has.
//   - [Queue] is a virtqueue's driver side, split or packed, with EVENT_IDX and INDIRECT_DESC as far as both ends have them.
//   - [Client] speaks FUSE through a queue: single calls for tests, loops of a fixed depth for benchmarks.
//   - [Bridge] mounts /dev/fuse and forwards what the host's kernel asks, so that programs and test suites work on the device.
//   - [Frontend] sends single messages, wrong ones too, for tests of a device's manners.
//
// # Threads
//
// A [Driver]'s and a [Frontend]'s methods may be called by any goroutine. A [Queue] and a [Client] belong to one goroutine at a time,
// but for [Queue.Sleep], which touches no ring.
//
// # Trust
//
// The device is not trusted: what it puts in the used ring is checked as Linux checks it, and an answer's length, error and unique
// as virtio_fs_verify_response does. A device that breaks a rule gives an error that says which.
//
// The package imports abi and golang.org/x/sys, and never the device side.
package driver
