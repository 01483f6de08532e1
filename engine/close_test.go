//go:build linux

package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// soon is a Drain that runs out before a test has done anything.
const soon = 20 * time.Millisecond

// closable starts an engine that the test closes, and a desk on it that is not a source of its own.
func closable(t *testing.T) (*Engine, *desk, *acts) {
	t.Helper()
	e, err := New(Config{Loops: 2, Pool: 2, Drain: soon})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	fs := &acts{inline: true}
	c := e.Attach(newConn(t, fs))
	l := e.Loops()[0]
	d := &desk{t: t, client: c, loop: l, do: l.Do}
	on(t, l, func(*Loop) error { d.tid = unix.Gettid(); return nil })
	return e, d, fs
}

// closeNow must succeed, and end the loops' threads.
func closeNow(t *testing.T, e *Engine, d *desk) {
	t.Helper()
	eventually(t, "the engine closes", func() bool {
		err := e.Close()
		if err != nil && !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
		return err == nil
	})
	eventually(t, "the loop's thread has ended", func() bool { return ended(d.tid) })
	if err := e.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	d.close()
}

func wantBusy(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.Close(); !errors.Is(err, ErrBusy) {
		t.Fatalf("Close while in use: %v", err)
	}
}

// TestCloseWaitsForSources: until the last transport is gone the loops go on.
func TestCloseWaitsForSources(t *testing.T) {
	e, d, fs := closable(t)
	on(t, d.loop, func(l *Loop) error { d.source = l.Attach(d); return nil })
	good, off := fs.add(answer('g')), fs.add(offLoop(answer('o')))
	wantBusy(t, e)
	d.wantRead(good, 10, 'g')
	d.wantRead(off, 10, 'o')
	wantBusy(t, e)
	on(t, d.loop, func(l *Loop) error { l.Detach(d.source); return nil })
	d.source = 0
	closeNow(t, e, d)
}

// TestCloseWaitsForThePool: a request there is answered before the end.
func TestCloseWaitsForThePool(t *testing.T) {
	e, d, fs := closable(t)
	d.any = true // no loop is needed for the answer
	g := newGate()
	c := d.start(readCall(fs.add(offLoop(g.act)), 5))
	eventually(t, "the request waits", func() bool { return g.waiting.Load() == 1 })
	wantBusy(t, e)
	close(g.open)
	if d.wait(c); c.errno != vfs.OK {
		t.Errorf("%v", c.errno)
	}
	closeNow(t, e, d)
}

// TestCloseWaitsForExtents: the ring is not closed under the kernel's feet.
func TestCloseWaitsForExtents(t *testing.T) {
	e, d, fs := closable(t)
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	f := vfs.NewFile(p[0])
	c := d.start(readCall((&way{file: f}).add(fs), 5))
	wantBusy(t, e)
	if _, err := unix.Write(p[1], []byte("piped")); err != nil {
		t.Fatal(err)
	}
	if d.wait(c); c.errno != vfs.OK || string(c.answer) != "piped" {
		t.Errorf("%v, %q", c.errno, c.answer)
	}
	f.Put()
	unix.Close(p[1])
	closeNow(t, e, d)
}

// TestCloseTakesTheInbox: what a loop was asked before it ends is done, even after Close has told it to.
func TestCloseTakesTheInbox(t *testing.T) {
	e, d, _ := closable(t)
	hold, made := make(chan struct{}), make(chan int, 100)
	d.loop.Do(func(*Loop) { <-hold })
	eventually(t, "the loop is held up", func() bool { return d.loop.in.calls.Load() == 0 })
	wantBusy(t, e) // the order to end waits in the inbox
	for i := range cap(made) {
		d.loop.Do(func(*Loop) { made <- i })
	}
	close(hold)
	closeNow(t, e, d)
	if len(made) != cap(made) {
		t.Errorf("%d of %d calls were made", len(made), cap(made))
	}
}

func TestStartTwice(t *testing.T) {
	e, _ := newEngine(t, Config{Loops: 1, Pool: 1})
	if err := e.Start(); err == nil {
		t.Error("an engine starts twice")
	}
}

// TestStartFails: when one loop cannot start the others end, and the error says which CPU it was.
func TestStartFails(t *testing.T) {
	e, err := New(Config{Loops: 3, Pool: 1})
	if err != nil {
		t.Fatal(err)
	}
	const nowhere = 1023
	e.loops[1].cpu = nowhere
	err = e.Start()
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "loop on CPU 1023: pin") {
		t.Errorf("Start: %v", err)
	}
	if n := countFDs("anon_inode:[io_uring]"); n != 0 {
		t.Errorf("%d rings are left", n)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []Config{{Loops: -1}, {Pool: -1}, {Memory: -1}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	cpus, err := affinity()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(e.Loops()); n < 1 || n > len(cpus) || e.Memory() != defaultMemory || e.cfg.Pool != defaultPool || e.cfg.Drain != defaultDrain {
		t.Errorf("%d loops for %d CPUs, %+v", n, len(cpus), e.cfg)
	}
	if e, err := New(Config{Memory: 12345}); err != nil || e.Memory() != 12345 {
		t.Errorf("the budget is %d (%v)", e.Memory(), err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("Close of an engine that never started: %v", err)
	}
}
