//go:build linux

package engine

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// pooled is a desk on an engine with so many threads, which rest that long.
func pooled(t *testing.T, threads int, rest time.Duration) (*desk, *acts) {
	t.Helper()
	e, _ := newEngine(t, Config{Loops: 1, Pool: threads}, func(e *Engine) { e.pool.rest = rest })
	fs := &acts{inline: true}
	c := e.Attach(newConn(t, fs))
	t.Cleanup(c.Detach)
	return openDesk(t, c, e.Loops()[0], false), fs
}

func (p *pool) threads() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// gate is an act that waits until the gate opens, and notes on which threads.
type gate struct {
	open    chan struct{}
	waiting atomic.Int32
	tids    sync.Map
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) act(op *vfs.Op, _ int64, n int32, _ []byte) (vfs.Payload, vfs.Errno) {
	g.tids.Store(unix.Gettid(), nil)
	g.waiting.Add(1)
	<-g.open
	return op.Bytes(fill(op.Reply(int(n)), 'w')), vfs.OK
}

func (g *gate) threads() (tids []int) {
	g.tids.Range(func(tid, _ any) bool { tids = append(tids, tid.(int)); return true })
	return tids
}

// TestPoolIsBounded: as many threads as were asked for, never more; requests beyond wait their turn and the loop serves
// others meanwhile. Threads that rested for long end.
func TestPoolIsBounded(t *testing.T) {
	const threads, requests = 4, 60
	d, fs := pooled(t, threads, 20*time.Millisecond)
	p, g := &d.client.e.pool, newGate()
	waits, quick := fs.add(offLoop(g.act)), fs.add(answer('q'))
	var calls []*call
	for range requests {
		calls = append(calls, d.start(readCall(waits, 5)))
	}
	eventually(t, "all threads wait", func() bool { return g.waiting.Load() == threads })
	for range 100 {
		d.wantRead(quick, 5, 'q')
	}
	if n := g.waiting.Load(); n != threads {
		t.Errorf("%d requests run on %d threads", n, threads)
	}
	close(g.open)
	for _, c := range calls {
		if d.wait(c); c.errno != vfs.OK || string(c.answer) != "wwwww" {
			t.Errorf("%v, %q", c.errno, c.answer)
		}
	}
	if n := len(g.threads()); n != threads {
		t.Errorf("%d threads have worked", n)
	}
	eventually(t, "the threads have ended", func() bool { return p.threads() == 0 })
	d.wantRead(waits, 5, 'w')
}

// TestPoolThreadsComeAndGo: threads that end when work comes lose none of it. The pauses are as long as a thread rests.
func TestPoolThreadsComeAndGo(t *testing.T) {
	const rest = 50 * time.Microsecond
	d, fs := pooled(t, 3, rest)
	off := fs.add(offLoop(answer('o')))
	for i := range 3000 {
		a, b := d.start(readCall(off, 3)), d.start(readCall(off, 3))
		d.wait(a)
		d.wait(b)
		time.Sleep(rest * time.Duration(i%4) / 2)
	}
	eventually(t, "the threads have ended", func() bool { return d.client.e.pool.threads() == 0 })
}

// TestPoolReplacesThreads: each request makes its thread unusable; the bound holds, and the work is done.
func TestPoolReplacesThreads(t *testing.T) {
	const threads, requests = 3, 300
	d, fs := pooled(t, threads, time.Minute)
	var running, most atomic.Int32
	bad := fs.add(offLoop(func(op *vfs.Op, _ int64, n int32, _ []byte) (vfs.Payload, vfs.Errno) {
		if now := running.Add(1); now > most.Load() {
			most.Store(now)
		}
		defer running.Add(-1)
		op.SetTainted()
		return op.Bytes(op.Reply(int(n))), vfs.OK
	}))
	var calls []*call
	for range requests {
		calls = append(calls, d.start(readCall(bad, 3)))
	}
	for _, c := range calls {
		if d.wait(c); c.errno != vfs.OK || len(c.answer) != 3 {
			t.Errorf("%v, %d bytes", c.errno, len(c.answer))
		}
	}
	if n := most.Load(); n > threads {
		t.Errorf("%d requests ran at a time", n)
	}
	eventually(t, "the threads have ended", func() bool { return d.client.e.pool.threads() == 0 })
}

// TestGoroutines: a file system that knows nothing of loops has as many requests at a time as are made, and few goroutines
// stay behind; none after the end.
func TestGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("", func(t *testing.T) {
		const requests = 3 * maxRunners
		d, fs := newDesk(t, settings[0], false)
		p, g := &d.client.e.spawner, newGate()
		waits := fs.add(g.act)
		for range 2 { // the second time some have rested
			g.open = make(chan struct{})
			g.waiting.Store(0)
			var calls []*call
			for range requests {
				calls = append(calls, d.start(readCall(waits, 5)))
			}
			eventually(t, "all requests wait", func() bool { return g.waiting.Load() == requests })
			close(g.open)
			for _, c := range calls {
				if d.wait(c); c.errno != vfs.OK || string(c.answer) != "wwwww" {
					t.Errorf("%v, %q", c.errno, c.answer)
				}
			}
			eventually(t, "some goroutines rest", func() bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.idle == maxRunners
			})
		}
	})
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}
