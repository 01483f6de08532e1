package conformance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/memfs"
)

// Tests of options that a program has which serves a file system of its own, and the daemon has not.

// turningMemfs is memfs where each READLINK of a symlink gives another target.
func turningMemfs() any {
	fs := memfs.New(memfs.Options{})
	fs.SetRoot(0, 0, 0o755)
	o := vfs.Resolve(fs).Clone()
	var n atomic.Int64
	o.Readlink = func(op *vfs.Op, _ vfs.Key) (vfs.Payload, vfs.Errno) {
		return op.Bytes(fmt.Append(nil, n.Add(1))), vfs.OK
	}
	return o
}

// TestLinkCache: a symlink's target is asked for once, or each time.
func TestLinkCache(t *testing.T) {
	for option, want := range map[string]string{"linkcache": "1 1 1", "nolinkcache": "1 2 3"} {
		p := filepath.Join(start(t, "turning", "uring", option), "link")
		if err := os.Symlink("target", p); err != nil {
			t.Fatal(err)
		}
		var got [3]string
		for i := range got {
			var err error
			if got[i], err = os.Readlink(p); err != nil {
				t.Error(err)
			}
		}
		if s := fmt.Sprintf("%s %s %s", got[0], got[1], got[2]); s != want {
			t.Errorf("%s: targets %s, want %s", option, s, want)
		}
	}
}

// muteMemfs is memfs where a LOOKUP of "mute" never returns.
func muteMemfs() any {
	fs := memfs.New(memfs.Options{})
	fs.SetRoot(0, 0, 0o755)
	inner := vfs.Resolve(fs)
	o := inner.Clone()
	o.Inline = false
	o.Lookup = func(op *vfs.Op, dir vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
		if string(name) == "mute" {
			<-op.Done() // which comes with the end of the connection
			return vfs.EINTR
		}
		return inner.Lookup(op, dir, name, out)
	}
	return o
}

// timeoutLimit is longer than the kernel takes to look for requests that are too old: every 15 s.
const timeoutLimit = 90 * time.Second

// TestRequestTimeout: the kernel cuts the connection of a server that does not answer in time, and nobody hangs for ever.
func TestRequestTimeout(t *testing.T) {
	dir := start(t, "mute", "blocking", "timeout")
	if _, err := os.Stat(filepath.Join(dir, "missing")); !errors.Is(err, unix.ENOENT) {
		t.Error("before:", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := os.Stat(filepath.Join(dir, "mute"))
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, unix.ECONNABORTED) && !errors.Is(err, unix.ENOTCONN) {
			t.Error("a request without an answer:", err)
		}
	case <-time.After(timeoutLimit):
		t.Errorf("a request without an answer hangs for %v", timeoutLimit)
	}
}
