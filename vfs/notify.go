package vfs

// Notifier sends notifications to the kernel (struct fuse_notify_*_out). Any thread may call it, except one that serves
// requests: INVAL_INODE written by a thread that owes the answer to a READ of that inode deadlocks client and server. Node ids are
// wire ids, see Conn.NodeID. An error is the errno of the write: ENOENT where the kernel does not know the node or name.
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
