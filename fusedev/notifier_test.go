//go:build linux

package fusedev

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

// TestNotifications sends every code. The kernel answers EINVAL to what it cannot read, ENOENT to what it does not know.
func TestNotifications(t *testing.T) {
	every(t, func(t *testing.T, kind Transport) {
		s := serveTest(t, &testFS{inline: true}, options(kind))
		readHello(t, s.Dir())
		n := s.Conn().Notifier()
		const root, unknown = abi.RootID, 1 << 50
		for _, c := range []struct {
			name string
			err  error
			want error
		}{
			{"inval inode", n.InvalInode(root, 0, 0), nil},
			{"inval attributes", n.InvalInode(root, -1, 0), nil},
			{"inval unknown inode", n.InvalInode(unknown, 0, 0), unix.ENOENT},
			{"expire entry", n.InvalEntry(root, "hello", abi.ExpireOnly), nil},
			{"inval entry", n.InvalEntry(root, "hello", 0), nil},
			{"inval unknown entry", n.InvalEntry(root, "none", 0), unix.ENOENT},
			{"delete unknown", n.Delete(root, unknown, "none"), unix.ENOENT},
			{"store unknown", n.Store(unknown, 0, []byte("x")), unix.ENOENT},
			{"retrieve unknown", n.Retrieve(1, unknown, 0, 4096), unix.ENOENT},
			{"poll wakeup", n.PollWakeup(12345), nil},
			{"resend", n.Resend(), nil},
			{"epoch", n.IncEpoch(), nil},
			{"prune", n.Prune([]uint64{unknown, unknown + 1}), nil},
		} {
			if !errors.Is(c.err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
			}
		}
		if _, err := os.Stat(filepath.Join(s.Dir(), "hello")); err != nil {
			t.Error("after them:", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := n.IncEpoch(); !errors.Is(err, unix.ENOTCONN) {
			t.Errorf("after the end: %v", err)
		}
	})
}
