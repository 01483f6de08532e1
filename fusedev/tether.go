//go:build linux

package fusedev

import (
	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/engine"
)

// tether ties the socket on which fusermount3 waits for our death to the loops' rings. The kernel takes the rings of a killed process
// down a little later than its descriptors, and the rings use /dev/fuse: a fusermount3 that heard of the death before the connection is
// dead would find the mount alive and leave it.
type tether struct {
	sock int
	eng  *engine.Engine
	on   []*strand
}

// strand is a tether's poll on one loop.
type strand struct {
	loop   *engine.Loop
	source uint32
	over   bool // on the loop
}

func newTether(e *engine.Engine, sock int) *tether {
	t := &tether{sock: sock, eng: e}
	for _, l := range e.Loops() {
		s := &strand{loop: l}
		_ = l.Call(func(l *engine.Loop) error {
			s.source = l.Attach(s)
			l.SQE().PollAdd(int32(sock), unix.POLLRDHUP, false).SetUserData(engine.Data(s.source, 0))
			return nil
		})
		t.on = append(t.on, s)
	}
	return t
}

// Complete implements engine.Source: the socket was shut down, or fusermount3 has gone.
func (s *strand) Complete(*engine.Loop, uint32, int32, uint32) { s.over = true }

// cut ends the polls, and tells fusermount3.
func (t *tether) cut() {
	_ = unix.Shutdown(t.sock, unix.SHUT_RDWR)
	for _, s := range t.on {
		await(func() bool {
			return s.loop.Call(func(l *engine.Loop) error {
				if !s.over {
					return unix.EAGAIN
				}
				l.Detach(s.source)
				return nil
			}) == nil
		})
	}
}
