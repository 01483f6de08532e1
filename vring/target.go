//go:build linux

package vring

// target is what a session drives: the device. A session calls it from its own goroutine, one call at a time.
type target interface {
	// features are the virtio features that are offered, featureProtocol included.
	features() uint64
	// queues is the number of virtqueues: the one of high priority and those of requests.
	queues() int
	// setMemory makes m the guest's memory and takes it over, whatever is returned. removed: m lacks regions of the version
	// before, which nobody uses any more when setMemory returns. An error ends the connection.
	setMemory(m *Memory, removed bool) error
	// start has queue i run. The descriptors are taken over, whatever is returned; -1: none, and without kick the queue is
	// polled. After an error the queue is stopped.
	start(i int, c virtqConfig, kick, call, errfd int, features uint64) error
	// stop ends a queue that runs: its requests are answered or cancelled, nothing touches guest memory on its behalf any
	// more, and base is where it would go on. An error, which says that this could not be had, ends the connection.
	stop(i int) (base uint32, err error)
	// setCall and setErr exchange a descriptor of a queue that runs, and take the new one over; -1: none.
	setCall(i, fd int)
	setErr(i, fd int)
	// setLog has a queue that runs log its writes in d, nil: nowhere, and those to its used ring by guest address used, 0:
	// not at all. Nobody uses the log before any more when it returns.
	setLog(i int, d *dirtyLog, used uint64) error
	// reset stops all queues and drops the FUSE connection with its nodes and handles. The memory stays. An error, which
	// says that a queue still runs, ends the connection.
	reset() error
	// config is a part of struct virtio_fs_config; nil without a tag, and for what lies past its end.
	config(off, n uint32) []byte
}
