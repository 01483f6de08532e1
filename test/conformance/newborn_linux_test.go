package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/memfs"
)

// How long the slow file system takes. The first writer writes after lateWrite: when a LOOKUP has seen the file, and before it is answered.
const (
	slowCreate = 20 * time.Millisecond
	slowLookup = 60 * time.Millisecond
	lateWrite  = 20 * time.Millisecond
)

// slowMemfs is memfs where a CREATE and the LOOKUP of what is there take their time, after the fact.
func slowMemfs() any {
	fs := memfs.New(memfs.Options{})
	fs.SetRoot(0, 0, 0o755)
	inner := vfs.Resolve(fs)
	o := inner.Clone()
	o.Inline = false
	o.Create = func(op *vfs.Op, dir vfs.Key, name vfs.Name, in *abi.CreateIn, e *vfs.Entry, out *vfs.Opened) vfs.Errno {
		defer time.Sleep(slowCreate)
		return inner.Create(op, dir, name, in, e, out)
	}
	o.Lookup = func(op *vfs.Op, dir vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
		e := inner.Lookup(op, dir, name, out)
		if e == vfs.OK {
			time.Sleep(slowLookup)
		}
		return e
	}
	return o
}

// TestNewborn: a file that is opened by a second one while the first one makes it has both their lines under writeback, where the
// kernel believes no size but its own: it must not find the file anew, by a LOOKUP with the size of before the first line.
func TestNewborn(t *testing.T) {
	dir := start(t, "slow", "blocking", "writeback")
	for i := range 10 {
		p := filepath.Join(dir, fmt.Sprint(i))
		var wg sync.WaitGroup
		appends := func(line string, before, after time.Duration) {
			time.Sleep(before)
			f, err := os.OpenFile(p, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(after)
			if _, err := f.WriteString(line); err != nil {
				t.Error(err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		wg.Go(func() { appends("first\n", 0, lateWrite) })
		wg.Go(func() { appends("second\n", slowCreate/2, 0) })
		wg.Wait()
		if b, err := os.ReadFile(p); err != nil || len(b) != len("first\nsecond\n") {
			t.Errorf("round %d: %q, %v", i, b, err)
		}
	}
}
