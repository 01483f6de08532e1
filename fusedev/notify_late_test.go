//go:build linux

package fusedev

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// TestNotifyWhileRead: INVAL_INODE waits in the kernel for the page that a READ in flight will fill. Nothing else waits, and once the
// READ is answered, what it brought is dropped.
func TestNotifyWhileRead(t *testing.T) {
	bothKinds(t, func(t *testing.T, o Options, inline bool) {
		fs := newHeldFS(inline, "held", "other")
		s := mountBusy(t, ownEngine(t), fs, o)
		fd, other := open(t, filepath.Join(s.Dir(), "held")), open(t, filepath.Join(s.Dir(), "other"))
		// the kernel reads anew if the notification takes the page away before the client has seen it
		read := onCPU0(func() error { return versionIs(fd, 1, 2) })
		eventually(t, "the read is kept", func() bool { return fs.held.Load() == 1 })
		fs.version.Store(2)
		node := s.Conn().NodeID(s.Conn().Root(), 1)
		notes := notifyFromMany(t, func(n vfs.Notifier) error { return n.InvalInode(node, 0, 0) }, s.Notifier())
		for _, f := range []int{fd, other} { // also of the node itself
			if err := promptly(t, "stat", answerSoon, onCPU0(func() error { return forceStat(f) })); err != nil {
				t.Fatal(err)
			}
		}
		if err := promptly(t, "another read", answerSoon, onCPU0(func() error { return versionIs(other, 2) })); err != nil {
			t.Fatal(err)
		}
		returned(t, notes, 0)
		close(fs.release)
		if err := promptly(t, "the read", busyDeadline, read); err != nil {
			t.Fatal(err)
		}
		returned(t, notes, noteCallers)
		if err := promptly(t, "a read afterwards", busyDeadline, onCPU0(func() error { return versionIs(fd, 2) })); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNotifyWhileCreate: INVAL_ENTRY waits in the kernel for the directory in which a CREATE in flight works.
func TestNotifyWhileCreate(t *testing.T) {
	bothKinds(t, func(t *testing.T, o Options, inline bool) {
		fs := newHeldFS(inline, "other")
		s := mountBusy(t, ownEngine(t), fs, o)
		other, name := open(t, filepath.Join(s.Dir(), "other")), filepath.Join(s.Dir(), "held")
		created := onCPU0(func() error { return createAndRead(name, 2) })
		eventually(t, "the create is kept", func() bool { return fs.held.Load() == 1 })
		fs.version.Store(2)
		notes := notifyFromMany(t, func(n vfs.Notifier) error { return n.InvalEntry(abi.RootID, "held", 0) }, s.Notifier())
		if err := promptly(t, "stat", answerSoon, onCPU0(func() error { return forceStat(other) })); err != nil {
			t.Fatal(err)
		}
		returned(t, notes, 0)
		close(fs.release)
		if err := promptly(t, "the create", busyDeadline, created); err != nil {
			t.Fatal(err)
		}
		returned(t, notes, noteCallers)
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	})
}

// TestNotifyFromMethods: a back-end may send any notification from within any method, for what the request itself holds too.
func TestNotifyFromMethods(t *testing.T) {
	bothKinds(t, func(t *testing.T, o Options, inline bool) {
		fs := newHeldFS(inline, "file")
		fs.meddle = func(c *vfs.Conn, node vfs.Key, name string) {
			n, id := c.Notifier(), c.NodeID(c.Root(), node)
			fs.version.Store(2)
			var err error
			if node == 0 {
				err = errors.Join(n.InvalEntry(id, name, 0), n.Delete(id, 1<<50, name))
			} else {
				err = errors.Join(n.InvalInode(id, 0, 0), n.Store(id, 0, bytes.Repeat([]byte{2}, heldSize)), n.Prune([]uint64{id}))
			}
			if err != nil {
				t.Error(err)
			}
		}
		s := mountBusy(t, ownEngine(t), fs, o)
		fd := open(t, filepath.Join(s.Dir(), "file"))
		if err := promptly(t, "the read", busyDeadline, onCPU0(func() error { return readSome(fd) })); err != nil {
			t.Fatal(err)
		}
		eventually(t, "what the read brought is dropped", func() bool { return versionIs(fd, 2) == nil })
		for i := range 10 {
			name := filepath.Join(s.Dir(), fmt.Sprint("new", i))
			if err := promptly(t, "a create", busyDeadline, onCPU0(func() error { return createAndRead(name, 2) })); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "all notifications are sent", func() bool {
			s.notifier.late.mu.Lock()
			defer s.notifier.late.mu.Unlock()
			return len(s.notifier.late.nodes) == 0
		})
	})
}

// TestLateNotesAreBounded: what a method sends while the kernel takes nothing of a node is not kept without end, and does not
// hold up other nodes.
func TestLateNotesAreBounded(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	n := &notifier{fd: pair[0]}
	big := make([]byte, 100<<10)
	var full error
	for i := 0; i < 3*maxLate && full == nil; i++ { // more than the socket takes
		big[0], big[1] = byte(i), byte(i>>8)
		full = n.late.put(n, 1, bytes.Clone(big))
	}
	if !errors.Is(full, unix.ENOBUFS) {
		t.Fatalf("no end after %d: %v", 3*maxLate, full)
	}
	waiting := func(node uint64) int {
		n.late.mu.Lock()
		defer n.late.mu.Unlock()
		return len(n.late.nodes[node])
	}
	before := waiting(2)
	for range 10 { // one that the kernel does not take, and one for all the others
		if err := n.late.put(n, 2, []byte("again")); err != nil {
			t.Fatal(err)
		}
	}
	if got := waiting(2) - before; got > 2 {
		t.Errorf("%d messages wait that say the same", got)
	}
	unix.Shutdown(pair[1], unix.SHUT_RD) // writes fail from now on
	eventually(t, "all are gone", func() bool { return waiting(1) == 0 && waiting(2) == 0 })
	n.close()
	unix.Close(pair[0])
}

// noteCallers is how many goroutines send the same notification at once.
const noteCallers = 8

// notifyFromMany returns when all calls wait in the kernel.
func notifyFromMany(t *testing.T, f func(vfs.Notifier) error, n vfs.Notifier) <-chan error {
	t.Helper()
	before := uninterruptible(t)
	done := make(chan error, noteCallers)
	for range noteCallers {
		go func() { done <- f(n) }()
	}
	eventually(t, "the kernel waits in all notifications", func() bool { return uninterruptible(t) >= before+noteCallers })
	return done
}

// returned wants n calls to have returned, or to return soon if n is not 0, and no error but "not known".
func returned(t *testing.T, notes <-chan error, n int) {
	t.Helper()
	if n == 0 && len(notes) > 0 {
		t.Fatalf("a notification returned while the kernel should wait: %v", <-notes)
	}
	for range n {
		if err := promptly(t, "a notification", busyDeadline, notes); err != nil && !errors.Is(err, unix.ENOENT) {
			t.Error(err)
		}
	}
}

// uninterruptible is how many threads of this process wait for a lock of the kernel.
func uninterruptible(t *testing.T) (n int) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if b, err := os.ReadFile(task); err == nil && strings.Contains(string(b), ") D ") {
			n++
		}
	}
	return n
}

func readSome(fd int) error {
	_, err := unix.Pread(fd, make([]byte, heldSize), 0)
	return err
}

// versionIs reads a file of a heldFS, which may have one of these versions.
func versionIs(fd int, versions ...byte) error {
	b := make([]byte, heldSize)
	n, err := unix.Pread(fd, b, 0)
	if err != nil {
		return err
	}
	if v := b[0]; !slices.Contains(versions, v) || !bytes.Equal(b[:n], bytes.Repeat([]byte{v}, heldSize)) {
		return fmt.Errorf("read %d bytes of version %d, want %d of version %d", n, v, heldSize, versions)
	}
	return nil
}

func createAndRead(name string, version byte) error {
	fd, err := unix.Open(name, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(versionIs(fd, version), unix.Close(fd))
}
