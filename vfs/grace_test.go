package vfs

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/abi"
)

// narrow is a file system with room for one open file.
type narrow struct {
	tiny
	open  atomic.Int32
	tries atomic.Int32
}

func (n *narrow) Open(_ *Op, _ Key, _ *abi.OpenIn, out *Opened) Errno {
	n.tries.Add(1)
	if !n.open.CompareAndSwap(0, 1) {
		return ENFILE
	}
	out.H = 1
	return OK
}

func (n *narrow) Release(Open, uint32, uint64) { n.open.Add(-1) }

// TestGrace: a released file that a batch of another thread keeps open has the next OPEN wait for that batch; one that is really
// open does not.
func TestGrace(t *testing.T) {
	for _, inline := range []bool{true, false} {
		fs := &narrow{tiny: tiny{inline: inline}}
		p := newPeer(t, fs, Options{})
		_, id := p.lookup("f")
		open := func() (Errno, uint64) {
			e, b := p.send(abi.OpOpen, id, abi.Bytes(&abi.OpenIn{}))
			var out abi.OpenOut
			abi.Decode(&out, b)
			return e, out.Fh
		}
		e, fh := open()
		if e != OK {
			t.Fatal(e)
		}
		if e, _ := open(); e != ENFILE {
			t.Fatal("a second file:", e)
		}
		other := p.c.Epoch()
		other.Enter()
		p.send(abi.OpRelease, id, abi.Bytes(&abi.ReleaseIn{Fh: fh}))
		if n := fs.open.Load(); n != 1 {
			t.Fatalf("%d files open while a batch may still use one", n)
		}
		fs.tries.Store(0)
		go func() {
			for fs.tries.Load() == 0 { // the OPEN has found no room
				time.Sleep(time.Millisecond)
			}
			time.Sleep(10 * time.Millisecond)
			other.Exit()
		}()
		if e, _ := open(); e != OK {
			t.Errorf("inline %v: %v after the batch has ended", inline, e)
		}
	}
}
