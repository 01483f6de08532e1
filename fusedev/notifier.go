//go:build linux

package fusedev

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

// notifier writes notifications to /dev/fuse: a header with unique 0 and the notify code as error. It implements vfs.Notifier.
type notifier struct {
	mu     sync.RWMutex // held while fd is written; guards closed
	fd     int          // immutable
	closed bool
	late   lateNotes
}

// close makes later calls fail; when it returns, nobody uses fd.
func (n *notifier) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
}

// send writes one notification that the kernel takes at once.
func (n *notifier) send(code int32, parts ...[]byte) error {
	msg, err := noteMessage(code, parts)
	if err != nil {
		return err
	}
	return n.write(msg)
}

// noteMessage puts a header before the parts; its length covers them all.
func noteMessage(code int32, parts [][]byte) ([][]byte, error) {
	h := abi.OutHeader{Error: code}
	iov := append(make([][]byte, 0, 1+len(parts)), abi.Bytes(&h))
	total := abi.OutHeaderSize
	for _, p := range parts {
		if len(p) > 0 {
			iov = append(iov, p)
			total += len(p)
		}
	}
	if uint64(total) > 1<<31 {
		return nil, fmt.Errorf("fusedev: notify: %d bytes: %w", total, unix.EMSGSIZE)
	}
	h.Len = uint32(total)
	return iov, nil
}

// write returns when the kernel has done it.
func (n *notifier) write(msg [][]byte) error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.closed {
		return unix.ENOTCONN
	}
	for {
		_, err := unix.Writev(n.fd, msg)
		if errors.Is(err, unix.ENODEV) {
			return unix.ENOTCONN
		}
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// InvalInode implements vfs.Notifier.
func (n *notifier) InvalInode(node uint64, off, length int64) error {
	return n.sendWaiting(node, abi.NotifyInvalInode, abi.Bytes(&abi.NotifyInvalInodeOut{Ino: node, Off: off, Len: length}))
}

// InvalEntry implements vfs.Notifier.
func (n *notifier) InvalEntry(parent uint64, name string, flags uint32) error {
	out := abi.NotifyInvalEntryOut{Parent: parent, Namelen: uint32(len(name)), Flags: flags}
	return n.sendWaiting(parent, abi.NotifyInvalEntry, abi.Bytes(&out), nul(name))
}

// Delete implements vfs.Notifier.
func (n *notifier) Delete(parent, child uint64, name string) error {
	out := abi.NotifyDeleteOut{Parent: parent, Child: child, Namelen: uint32(len(name))}
	return n.sendWaiting(parent, abi.NotifyDelete, abi.Bytes(&out), nul(name))
}

// Store implements vfs.Notifier.
func (n *notifier) Store(node, off uint64, data []byte) error {
	out := abi.NotifyStoreOut{NodeID: node, Offset: off, Size: uint32(len(data))}
	return n.sendWaiting(node, abi.NotifyStore, abi.Bytes(&out), data)
}

// Retrieve implements vfs.Notifier.
func (n *notifier) Retrieve(unique, node, off uint64, size uint32) error {
	out := abi.NotifyRetrieveOut{NotifyUnique: unique, NodeID: node, Offset: off, Size: size}
	return n.send(abi.NotifyRetrieve, abi.Bytes(&out))
}

// PollWakeup implements vfs.Notifier.
func (n *notifier) PollWakeup(kh uint64) error {
	return n.send(abi.NotifyPoll, abi.Bytes(&abi.NotifyPollWakeupOut{Kh: kh}))
}

// Resend implements vfs.Notifier.
func (n *notifier) Resend() error { return n.send(abi.NotifyResend) }

// IncEpoch implements vfs.Notifier.
func (n *notifier) IncEpoch() error { return n.send(abi.NotifyIncEpoch) }

// Prune implements vfs.Notifier.
func (n *notifier) Prune(nodes []uint64) error {
	ids := make([]byte, 0, 8*len(nodes))
	for i := range nodes {
		ids = append(ids, abi.Bytes(&nodes[i])...)
	}
	return n.sendWaiting(0, abi.NotifyPrune, abi.Bytes(&abi.NotifyPruneOut{Count: uint32(len(nodes))}), ids)
}

// nul is a name with the NUL that the kernel wants behind it.
func nul(name string) []byte { return append([]byte(name), 0) }
