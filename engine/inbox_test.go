//go:build linux

package engine

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/ring"
)

// bothWakes runs f with loops that are woken by a message to their ring, and with loops that read an event.
func bothWakes(t *testing.T, f func(t *testing.T, e *Engine)) {
	for name, event := range map[string]bool{"message": false, "event": true} {
		t.Run(name, func(t *testing.T) {
			e, _ := newEngine(t, Config{Loops: 2, Pool: 3}, func(e *Engine) {
				for _, l := range e.loops {
					l.useEvent = event
				}
			})
			f(t, e)
		})
	}
}

// TestNoWakeIsLost: however a post falls together with the loop's going to sleep, it is seen. Each poster waits for its
// answer, so a lost one stops it for good.
func TestNoWakeIsLost(t *testing.T) {
	bothWakes(t, func(t *testing.T, e *Engine) {
		const posters, calls = 6, 2000
		var made atomic.Int64
		done := make(chan error, posters)
		for i := range posters {
			l := e.Loops()[i%2]
			go func() {
				for range calls {
					if err := l.Call(func(*Loop) error { made.Add(1); return nil }); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range posters {
			if err := within(t, "a poster", done); err != nil {
				t.Error(err)
			}
		}
		if n := made.Load(); n != posters*calls {
			t.Errorf("%d calls of %d were made", n, posters*calls)
		}
	})
}

// TestNoPostIsLost is the same for answers that come back from other threads, to loops that sleep, or are about to.
func TestNoPostIsLost(t *testing.T) {
	bothWakes(t, func(t *testing.T, e *Engine) {
		const senders, requests = 6, 700
		fs := &acts{inline: true}
		client := e.Attach(newConn(t, fs))
		t.Cleanup(client.Detach)
		off := fs.add(offLoop(answer('o')))
		done := make(chan struct{}, senders)
		for i := range senders {
			d := openDesk(t, client, e.Loops()[i%2], false)
			go func() {
				defer func() { done <- struct{}{} }()
				for range requests {
					c := d.start(readCall(off, 1))
					if <-c.done; string(c.answer) != "o" {
						t.Errorf("%v, %q", c.errno, c.answer)
					}
				}
			}()
		}
		for range senders {
			within(t, "a sender", done)
		}
	})
}

// TestCallsAreInOrder: what one goroutine asks is done in its order, whether it waits or not.
func TestCallsAreInOrder(t *testing.T) {
	bothWakes(t, func(t *testing.T, e *Engine) {
		var all sync.WaitGroup
		for i := range 5 {
			l, r := e.Loops()[i%2], rand.New(rand.NewPCG(rand.Uint64(), 0))
			all.Go(func() {
				next := 0 // the loop's
				for n := range 2000 {
					step := func(*Loop) error {
						if next != n {
							t.Errorf("call %d comes in place %d", n, next)
						}
						next++
						return nil
					}
					if r.IntN(20) > 0 {
						l.Do(func(l *Loop) { _ = step(l) })
					} else if err := l.Call(step); err != nil {
						t.Error(err)
					}
				}
				if err := l.Call(func(*Loop) error { return nil }); err != nil || next != 2000 {
					t.Errorf("%d calls were made (%v)", next, err)
				}
			})
		}
		done := make(chan struct{})
		go func() { all.Wait(); close(done) }()
		within(t, "all calls", done)
	})
}

// busy is a source that always has more completions than a loop takes at a time.
type busy struct {
	fd    int32
	buf   []byte
	id    uint32
	live  int
	turns atomic.Int64
	quit  bool
}

func (b *busy) Complete(l *Loop, _ uint32, _ int32, _ uint32) {
	b.turns.Add(1)
	if b.quit {
		b.live--
		return
	}
	b.read(l)
}

func (b *busy) read(l *Loop) {
	l.SQE().Read(b.fd, ring.Addr(b.buf), 1, 0).SetUserData(Data(b.id, 0))
}

// TestCompletionsDoNotStarveTheInbox: calls and answers from elsewhere get through to a loop whose ring is never empty.
func TestCompletionsDoNotStarveTheInbox(t *testing.T) {
	d, fs := newDesk(t, settings[0], true)
	mem, err := ring.Alloc(8)
	if err != nil {
		t.Fatal(err)
	}
	b := &busy{fd: int32(openFD(t, "/dev/zero", unix.O_RDONLY)), buf: mem}
	on(t, d.loop, func(l *Loop) error {
		b.id = l.Attach(b)
		for range 10 * maxPosted {
			b.live++
			b.read(l)
		}
		return nil
	})
	off := fs.add(offLoop(answer('o')))
	for range 20 {
		before := b.turns.Load()
		d.wantRead(off, 5, 'o') // needs a call and a post
		eventually(t, "completions go on", func() bool { return b.turns.Load() > before })
	}
	on(t, d.loop, func(*Loop) error { b.quit = true; return nil })
	eventually(t, "the last completion", func() (done bool) {
		on(t, d.loop, func(*Loop) error { done = b.live == 0; return nil })
		return done
	})
	on(t, d.loop, func(l *Loop) error { l.Detach(b.id); return nil })
	if err := ring.Free(mem); err != nil {
		t.Error(err)
	}
}

// TestLateSignal: a thread that wakes a loop too late does not write to the file that has the event's number now.
func TestLateSignal(t *testing.T) {
	var ev event
	if err := ev.open(); err != nil {
		t.Fatal(err)
	}
	ev.close()
	fd, err := unix.MemfdCreate("next", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if fd != ev.fd {
		if err := unix.Dup3(fd, ev.fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(ev.fd)
	}
	ev.signal()
	var st unix.Stat_t
	if err := unix.Fstat(ev.fd, &st); err != nil || st.Size != 0 {
		t.Errorf("%d bytes were written (%v)", st.Size, err)
	}
}
