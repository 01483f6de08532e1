//go:build linux

package fusedev

import (
	"bytes"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// maxLate is how many notifications of one node may wait.
const maxLate = 1024

// lateNotes are notifications that the kernel may not take before a request is answered, from callers who owe such an answer: they
// are written by a goroutine for each node that has any. One for all would let a node that is stuck hold up the others.
type lateNotes struct {
	mu    sync.Mutex
	nodes map[uint64][][]byte // guarded by mu; whole messages; the first one of a node is being written
}

// put takes one message.
func (l *lateNotes) put(n *notifier, node uint64, msg []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nodes == nil {
		l.nodes = make(map[uint64][][]byte)
	}
	q := l.nodes[node]
	switch {
	case len(q) > maxLate:
		return unix.ENOBUFS
	case len(q) > 1 && bytes.Equal(q[len(q)-1], msg): // said already, and not yet sent
		return nil
	}
	l.nodes[node] = append(q, msg)
	if len(q) == 0 {
		go l.write(n, node, msg)
	}
	return nil
}

// write writes a node's messages until there are none.
func (l *lateNotes) write(n *notifier, node uint64, msg []byte) {
	for msg != nil {
		_ = n.write([][]byte{msg}) // there is nobody to tell
		msg = l.next(node)
	}
}

// next is the message after the one that was written; nil: there is none.
func (l *lateNotes) next(node uint64) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.nodes[node][1:]
	if len(q) == 0 {
		delete(l.nodes, node)
		return nil
	}
	l.nodes[node] = q
	return q[0]
}

// sendWaiting sends what the kernel may not take before a request of this node is answered.
func (n *notifier) sendWaiting(node uint64, code int32, parts ...[]byte) error {
	msg, err := noteMessage(code, parts)
	if err != nil {
		return err
	}
	if vfs.Serving() {
		return n.late.put(n, node, bytes.Join(msg, nil))
	}
	return n.write(msg)
}
