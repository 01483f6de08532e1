//go:build linux

package fusedev

import (
	"errors"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/vfs"
)

// blocking has a pinned thread per loop that waits in read(2) on a clone of the fd and answers there. What may wait
// goes to the engine's pool and is answered from there.
type blocking struct {
	s       *Server
	client  *engine.Client
	readers []*blockingReader
	threads sync.WaitGroup
}

func newBlocking(s *Server) transport { return &blocking{s: s} }

func (t *blocking) start() error {
	t.client = t.s.eng.Attach(t.s.conn)
	off := t.s.newTally()
	for _, l := range t.s.eng.Loops() {
		r := &blockingReader{t: t, cpu: l.CPU(), returned: make(chan struct{}, 1)}
		r.s, r.fd, r.tally, r.off, r.queue, r.tell = t.s, t.s.fd, t.s.newTally(), off, r, r.wake
		if len(t.readers) > 0 {
			fd, err := cloneDevice(t.s.fd)
			if err != nil {
				t.s.log.Warn("one reader serves the mount", "err", err)
				break
			}
			r.fd, r.clone = fd, true
		}
		t.readers = append(t.readers, r)
	}
	ready, begin := make(chan error, len(t.readers)), make(chan bool, len(t.readers))
	for _, r := range t.readers {
		t.threads.Add(1)
		go r.run(ready, begin)
	}
	var errs error
	for range t.readers {
		errs = errors.Join(errs, <-ready)
	}
	for range t.readers {
		begin <- errs == nil
	}
	if errs != nil {
		t.stop()
	}
	return errs
}

func (t *blocking) stop() {
	t.threads.Wait()
	for _, r := range t.readers {
		await(func() bool { return r.out.Load() == 0 })
		r.close()
		if r.clone {
			unix.Close(r.fd)
		}
	}
	t.client.Detach()
}

// blockingReader is one thread.
type blockingReader struct {
	desk
	t        *blocking
	cpu      int
	clone    bool
	returned chan struct{} // a message came back to a reader that had none
}

// run is the thread. It reads nothing before all threads are ready.
func (r *blockingReader) run(ready chan<- error, begin <-chan bool) {
	defer r.t.threads.Done()
	runtime.LockOSThread() // never unlocked: the thread is pinned and ends with the goroutine
	l, err := r.s.eng.NewReader(r.t.client, r.cpu)
	ready <- err
	if err == nil {
		defer l.CloseReader()
	}
	if !<-begin {
		return
	}
	for {
		m := r.take(r.t.client, l)
		if m == nil {
			<-r.returned
			continue
		}
		n, e := readDevice(r.fd, m.in)
		switch e {
		case 0:
			r.load(m, n)
			if m.slot.Op.Opcode() == abi.OpSetlkw && r.crowded() {
				l.Refuse(m.slot, vfs.ENOLCK)
			} else {
				l.ServeAlone(m.slot)
			}
			continue
		case unix.EINTR, unix.EAGAIN, unix.ENOENT: // ENOENT: the request was taken back
			m.next, r.free = r.free, m
			continue
		}
		r.s.ended(e)
		return
	}
}

// wake tells the reader that a message came back.
func (r *blockingReader) wake() {
	select {
	case r.returned <- struct{}{}:
	default:
	}
}

// Hold implements engine.Queue: the next read takes another message.
func (r *blockingReader) Hold(*engine.Loop, *engine.Slot) {}

// Reply implements engine.Queue.
func (r *blockingReader) Reply(l *engine.Loop, s *engine.Slot) { r.reply(l, s) }

// Silent implements engine.Queue.
func (r *blockingReader) Silent(l *engine.Loop, s *engine.Slot) { r.silent(l, s) }

// AnyThread implements engine.Queue.
func (r *blockingReader) AnyThread() bool { return true }
