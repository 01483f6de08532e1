package engine

import (
	"runtime/debug"

	"github.com/fastfsd/fastfsd/vfs"
)

// Serve starts a loaded request. The slot comes back through its queue.
func (l *Loop) Serve(s *Slot) {
	l.current, s.placed = s, false
	l.enter(s.client)
	v := s.client.conn.Begin(s.Op)
	if v != vfs.Parked && s.Op.Tainted() {
		l.restore()
	}
	l.settle(s, v)
}

// ServeAlone is Serve as a batch of its own, for a reader's loop.
func (l *Loop) ServeAlone(s *Slot) {
	defer l.caught()
	l.Serve(s)
	l.exit()
}

// Refuse answers a loaded request with an errno instead of serving it.
func (l *Loop) Refuse(s *Slot, e vfs.Errno) {
	s.fault = e
	l.reply(s)
}

// settle does what the connection wants done with a request.
func (l *Loop) settle(s *Slot, v vfs.Verdict) {
	switch v {
	case vfs.Reply:
		l.reply(s)
	case vfs.Silent:
		l.current = nil
		l.tally.finish(s, false)
		s.queue.Silent(l, s)
		l.exit() // what a FORGET of thousands has ended must not wait for the batch to end: lists of it grow
	case vfs.IO:
		l.extent(s)
	case vfs.Offload:
		l.tally.leave(s, true)
		l.offload(s, jobRun)
	case vfs.Spawn:
		l.tally.leave(s, false)
		s.queue.Hold(l, s)
		l.current = nil
		l.e.spawner.put(s)
	case vfs.Parked: // its answer may have been sent already: s may not be looked at
		l.current = nil
		s.queue.Hold(l, s)
	}
}

// reply sends an answer that is ready.
func (l *Loop) reply(s *Slot) {
	l.current = nil
	l.tally.finish(s, false)
	s.queue.Reply(l, s)
}

// offload gives a request to the pool.
func (l *Loop) offload(s *Slot, j job) {
	s.queue.Hold(l, s)
	l.current = nil
	s.job = j
	l.e.pool.put(s)
}

// fail answers EIO to a request that was interrupted by a panic.
func (l *Loop) fail(s *Slot) {
	defer func() {
		if v := recover(); v != nil {
			l.e.log.Error("engine: panic while a request is answered", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	l.Refuse(s, vfs.EIO)
}

// restore puts the thread's own credentials back after a back-end could not, or may not have.
func (l *Loop) restore() {
	for range 3 {
		if l.creds.restore() == nil {
			return
		}
	}
	l.e.log.Error("engine: a loop has lost its credentials and cannot get them back", "cpu", l.cpu)
	go panic("engine: a loop's thread runs with foreign credentials") // not recovered by the loop
	select {}
}

// finish runs what a request that has left its loop still needs: on a locked thread of the pool, or a goroutine. True:
// the thread's credentials may not be its own any more.
func (e *Engine) finish(s *Slot) (tainted bool) {
	handed := false
	defer func() {
		if v := recover(); v != nil {
			e.log.Error("engine: panic off the loops", "panic", v, "stack", string(debug.Stack()))
			tainted = true
			if !handed {
				s.fault = vfs.EIO
				s.deliver()
			}
		}
	}()
	c, v := s.client.conn, vfs.IO
	if s.job == jobRun {
		s.moved = 0
		v = c.Run(s.Op)
		if v == vfs.Parked {
			return false
		}
		tainted = s.Op.Tainted()
	}
	if v == vfs.IO {
		c.Satisfied(s.Op, transfer(s))
	}
	handed = true
	s.deliver()
	return tainted
}
